"""Which of a search's coarse scores have to be exact, so that its answer is the one that exact scores alone give.

Of each score it is known between which bounds it is. First those get exact scores that look best. Let T be the K-th
highest of the lower bounds then: K exact scores are T or more, so whoever's upper bound is below T is not among the K
best. All others get their exact scores too, and whoever is left with a coarse one ranks behind K others, whatever its
exact one may be. That is done again where a map turned out not to be readable.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.gallery.candidate_order import CandidateOrder, a_little_less, lowest_of_best
from service.gallery.pair_scores import PairScores


def settle_pivots(pairs: PairScores, rows: Sequence[int], columns: Tensor, cameras: Tensor, num_pivots: int) -> int:
    """Makes exact whatever may be among the K highest scores of all rows in a camera; returns how many were not yet.

    Args:
        pairs: of the batch.
        rows: of the search: the query and its nearby persons.
        columns: of its candidates.
        cameras: int64 [len(columns)], of the candidates.
        num_pivots: K.
    """
    settled = 0
    while True:
        unreadable = len(pairs.unreadable)
        settled += _settle_readable_pivots(pairs, rows, columns, cameras, num_pivots)
        if len(pairs.unreadable) == unreadable:
            return settled


def _settle_readable_pivots(
    pairs: PairScores, rows: Sequence[int], columns: Tensor, cameras: Tensor, num_pivots: int
) -> int:
    lower, upper = pairs.bounds(rows, columns)
    # Of a candidate that is a pivot the best bounds pass too; most do not, and the rest is done without them.
    highest = lower.amax(dim=0, keepdim=True), upper.amax(dim=0, keepdim=True)
    likely = torch.nonzero(_may_be_pivots(*highest, cameras, num_pivots)[0]).flatten()
    columns, cameras, lower, upper = columns[likely], cameras[likely], lower[:, likely], upper[:, likely]
    settled = pairs.settle(rows, columns, _may_be_pivots(lower, lower, cameras, num_pivots) & (lower < upper))
    lower, upper = pairs.bounds(rows, columns)
    return settled + pairs.settle(rows, columns, _may_be_pivots(lower, upper, cameras, num_pivots) & (lower < upper))


def _may_be_pivots(lower: Tensor, scores: Tensor, cameras: Tensor, num_pivots: int) -> Tensor:
    """Which scores [r, n] are not below the K-th highest of their camera's lower bounds [r, n]."""
    may_be = torch.zeros(scores.shape, dtype=torch.bool, device=scores.device)
    for camera in torch.unique(cameras).tolist():
        members = torch.nonzero(cameras == camera).flatten()
        may_be[:, members] = scores[:, members] >= _kth_highest(lower[:, members], num_pivots)
    return may_be


def _kth_highest(scores: Tensor, count: int) -> float:
    """−∞ where there are fewer."""
    return float(scores.flatten().topk(count).values[-1]) if scores.numel() >= count else -torch.inf


def settle_best(pairs: PairScores, row: int, columns: Tensor, order: CandidateOrder) -> int:
    """Makes exact whatever may be among the best candidates of a query; returns how many were not yet.

    Args:
        pairs: of the batch.
        row: of the query.
        columns: of its candidates.
        order: theirs, and how many are wanted.
    """
    settled = 0
    labels = order.labels_of(slice(None))
    numbers = None if labels is None else number_labels(labels).to(columns.device)
    while True:
        unreadable = len(pairs.unreadable)
        looks_best = torch.zeros(1, len(columns), dtype=torch.bool, device=columns.device)
        looks_best[0, order.find_best(pairs.logits[row, columns])] = True
        settled += pairs.settle([row], columns, looks_best)
        lower, upper = (order.scores_of(logits[0]) for logits in pairs.bounds([row], columns))
        settled += pairs.settle([row], columns, _may_be_best(lower, upper, numbers, order.count)[None])
        if len(pairs.unreadable) == unreadable:
            return settled


def _may_be_best(lower: Tensor, upper: Tensor, labels: Tensor | None, count: int) -> Tensor:
    # Of those that are 0 for certain, the first by ID are exact already: a weight of 0 leaves many.
    is_open = (upper > 0) | (len(upper) <= count)
    if labels is None:
        return is_open & (upper >= lowest_of_best(lower, count))
    best_of_label = torch.full((int(labels.max()) + 1,), -torch.inf, dtype=lower.dtype, device=lower.device)
    best_of_label.scatter_reduce_(0, labels, lower, "amax")
    # A label's other candidates count only where they may be better than its best.
    lowest = a_little_less(best_of_label)[labels].clamp(min=lowest_of_best(best_of_label, count))
    return is_open & (upper >= lowest)


def number_labels(labels: npt.NDArray[np.object_]) -> Tensor:
    """Numbers from 0 for labels, int64 [n], equal ones for equal labels; who has none gets a number of its own."""
    number_of: dict[object, int] = {}
    keys = (place if label is None else label for place, label in enumerate(labels.tolist()))
    return torch.tensor([number_of.setdefault(key, len(number_of)) for key in keys], dtype=torch.int64)
