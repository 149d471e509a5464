"""CMC, mAP and mINP as slow loops, from Zheng et al. 2015 (protocol) and Ye et al. 2021 (mINP)."""

from collections.abc import Sequence
from typing import NamedTuple


class Crop(NamedTuple):
    """Who a crop shows and which camera saw it; person −1 is junk."""

    person: int
    camera: int


class Figures(NamedTuple):
    """Share of queries found within each rank, and the means."""

    found_within: dict[int, float]
    mean_average_precision: float
    mean_inverse_negative_penalty: float
    num_queries: int


def measure(
    scores: Sequence[Sequence[float]], queries: Sequence[Crop], gallery: Sequence[Crop], ranks: Sequence[int]
) -> Figures:
    found = dict.fromkeys(ranks, 0)
    precisions, penalties = [], []
    for row, query in zip(scores, queries, strict=True):
        order = sorted(range(len(gallery)), key=lambda place: (-row[place], place))
        rank, right_so_far, precision_sum, first, last = 0, 0, 0.0, None, 0
        for place in order:
            crop = gallery[place]
            if crop.person == -1 or crop == query:
                continue
            rank += 1
            if crop.person == query.person:
                right_so_far += 1
                precision_sum += right_so_far / rank
                first = rank if first is None else first
                last = rank
        if first is None:
            continue
        for limit in ranks:
            found[limit] += first <= limit
        precisions.append(precision_sum / right_so_far)
        penalties.append(1 - (last - right_so_far) / last)  # INP = 1 − NP, NP = (R − |G|) / R
    count = len(precisions)
    return Figures(
        {limit: number / count for limit, number in found.items()},
        sum(precisions) / count,
        sum(penalties) / count,
        count,
    )
