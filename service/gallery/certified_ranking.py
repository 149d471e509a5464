"""Which of a search's coarse scores have to be exact, so that its answer is the one that exact scores alone give.

Of each score it is known between which bounds it is. First those get exact scores that look best. Let T be the K-th
highest of the lower bounds then: K exact scores are T or more, so whoever's upper bound is below T is not among the K
best. All others get their exact scores too, and whoever is left with a coarse one ranks behind K others, whatever its
exact one may be. That is done again where a map turned out not to be readable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.gallery.appearance_scores import Scores
from service.gallery.best_matches import best_candidates
from service.gallery.pair_scores import PairScores

# From logits [n] to scores that grow with them.
ScoresOf = Callable[[Tensor], Scores]


def settle_pivots(pairs: PairScores, rows: Sequence[int], columns: Tensor, cameras: Tensor, num_pivots: int) -> int:
    """Makes exact whatever may be among the K highest scores of all rows in a camera; returns how many were not yet.

    Args:
        pairs: of the batch.
        rows: of the search: the query and its nearby persons.
        columns: of its candidates.
        cameras: int64 [len(columns)], of the candidates.
        num_pivots: K.
    """
    of_cameras = [torch.nonzero(cameras == camera).flatten() for camera in torch.unique(cameras).tolist()]
    bounds = [pairs.bounds(rows, columns[members]) for members in of_cameras]
    settled = 0
    for is_likely in (True, False):
        while True:
            unreadable = len(pairs.unreadable)
            is_marked = torch.zeros(len(rows), len(columns), dtype=torch.bool, device=columns.device)
            for members, (lower, upper) in zip(of_cameras, bounds, strict=True):
                # Whose bounds are one is exact.
                is_open = (lower if is_likely else upper) >= _kth_highest(lower, num_pivots)
                is_marked[:, members] = is_open & (lower < upper)
            settled += pairs.settle(rows, columns, is_marked)
            for number, members in enumerate(of_cameras):
                if bool(is_marked[:, members].any()):
                    bounds[number] = pairs.bounds(rows, columns[members])
            if len(pairs.unreadable) == unreadable:
                break
    return settled


def _kth_highest(scores: Tensor, count: int) -> float:
    """−∞ where there are fewer."""
    return float(scores.flatten().topk(count).values[-1]) if scores.numel() >= count else -torch.inf


@dataclass(frozen=True, slots=True)
class WantedBest:
    """Which candidates of a search are its best.

    Attributes:
        scores_of: what they are ranked by, from their logits.
        detection_ids: object [n]; equal scores are ordered by them.
        labels: int64 [n], from `number_labels`: of candidates with one label only the best counts. None where all do.
        count: how many are wanted.
    """

    scores_of: ScoresOf
    detection_ids: npt.NDArray[np.object_]
    labels: npt.NDArray[np.int64] | None
    count: int


def settle_best(pairs: PairScores, row: int, columns: Tensor, wanted: WantedBest) -> int:
    """Makes exact whatever may be among the best candidates of a query; returns how many were not yet.

    Args:
        pairs: of the batch.
        row: of the query.
        columns: of its candidates.
        wanted: which are the best.
    """
    look_best = best_candidates(wanted.scores_of(pairs.logits[row, columns]), wanted.detection_ids, wanted.count)
    settled = pairs.settle([row], columns, _mark(look_best, columns))
    while True:
        unreadable = len(pairs.unreadable)
        lower, upper = (wanted.scores_of(logits[0]) for logits in pairs.bounds([row], columns))
        places = np.flatnonzero(_may_be_best(lower, upper, wanted))
        settled += pairs.settle([row], columns, _mark(places, columns))
        if len(pairs.unreadable) == unreadable:
            return settled


def _may_be_best(lower: Scores, upper: Scores, wanted: WantedBest) -> npt.NDArray[np.bool_]:
    if wanted.labels is None:
        # Of those that have one score for certain, the first by ID are exact already: a weight of 0 leaves many.
        is_open: npt.NDArray[np.bool_] = upper >= _kth_highest(torch.from_numpy(lower), wanted.count)
        if len(lower) > wanted.count:
            is_open &= lower < upper
        return is_open
    best_of_label = np.full(int(wanted.labels.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(best_of_label, wanted.labels, lower)
    threshold = _kth_highest(torch.from_numpy(best_of_label), wanted.count)
    # A label's other candidates count only where they may be better than its best.
    may_be_best: npt.NDArray[np.bool_] = upper >= np.maximum(threshold, best_of_label[wanted.labels])
    return may_be_best


def number_labels(labels: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    """Numbers from 0 for labels [n], equal ones for equal labels; who has none gets a number of its own."""
    number_of: dict[object, int] = {}
    keys = (place if label is None else label for place, label in enumerate(labels.tolist()))
    return np.array([number_of.setdefault(key, len(number_of)) for key in keys], dtype=np.int64)


def _mark(places: Sequence[int] | npt.NDArray[np.int64], columns: Tensor) -> Tensor:
    is_marked = torch.zeros(1, len(columns), dtype=torch.bool)
    is_marked[0, torch.as_tensor(places, dtype=torch.int64)] = True
    return is_marked.to(columns.device)
