"""Which of a search's coarse scores have to be exact, so that its answer is the one that exact scores alone give.

Of each score it is known between which bounds it is. First those get exact scores that look best. Let T be the K-th
highest of the lower bounds then: K exact scores are T or more, so whoever's upper bound is below T is not among the K
best. All others get their exact scores too, and whoever is left with a coarse one ranks behind K others, whatever its
exact one may be. This is repeated until nothing is left to do: twice, but where a map turns out not to be readable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.gallery.best_matches import best_candidates
from service.gallery.pair_scores import PairScores

Scores = npt.NDArray[np.float64]
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
    members_of_cameras = [torch.nonzero(cameras == camera).flatten() for camera in torch.unique(cameras).tolist()]
    settled = _settle_likely_pivots(pairs, rows, columns, members_of_cameras, num_pivots)
    while True:
        may_be_pivot = torch.zeros(len(rows), len(columns), dtype=torch.bool, device=columns.device)
        for members in members_of_cameras:
            lower, upper = pairs.bounds(rows, columns[members])
            may_be_pivot[:, members] = upper >= _kth_highest(lower, num_pivots)
        settled_last = pairs.settle(rows, columns, may_be_pivot)
        settled += settled_last
        if not settled_last:
            return settled


def _settle_likely_pivots(
    pairs: PairScores, rows: Sequence[int], columns: Tensor, members_of_cameras: Sequence[Tensor], num_pivots: int
) -> int:
    is_likely = torch.zeros(len(rows), len(columns), dtype=torch.bool, device=columns.device)
    for members in members_of_cameras:
        logits = pairs.logits[torch.tensor(rows, device=columns.device)[:, None], columns[members]]
        is_likely[:, members] = logits >= _kth_highest(logits, num_pivots)
    return pairs.settle(rows, columns, is_likely)


def _kth_highest(scores: Tensor, count: int) -> float:
    """−∞ where there are fewer."""
    return float(scores.flatten().topk(count).values[-1]) if scores.numel() >= count else -torch.inf


@dataclass(frozen=True, slots=True)
class WantedBest:
    """Which candidates of a search are its best.

    Attributes:
        scores_of: what they are ranked by, from their logits.
        detection_ids: object [n]; equal scores are ordered by them.
        labels: object [n]; of candidates with one label only the best counts, without a label every one does. None
            where there are no labels.
        count: how many are wanted.
    """

    scores_of: ScoresOf
    detection_ids: npt.NDArray[np.object_]
    labels: npt.NDArray[np.object_] | None
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
        lower, upper = (wanted.scores_of(logits[0]) for logits in pairs.bounds([row], columns))
        places = np.flatnonzero(_may_be_best(lower, upper, wanted))
        settled_last = pairs.settle([row], columns, _mark(places, columns))
        settled += settled_last
        if not settled_last:
            return settled


def _may_be_best(lower: Scores, upper: Scores, wanted: WantedBest) -> npt.NDArray[np.bool_]:
    if wanted.labels is None:
        return upper >= _kth_highest(torch.from_numpy(lower), wanted.count)
    best_of_label = _best_of_label(lower, wanted.labels)
    may_be_best = upper >= _kth_highest(torch.tensor(list(best_of_label.values())), wanted.count)
    # A label's other candidates count only where they may be better than its best.
    for place in np.flatnonzero(may_be_best).tolist():
        may_be_best[place] = upper[place] >= best_of_label[_label_at(wanted.labels, place)]
    return may_be_best


def _best_of_label(lower: Scores, labels: npt.NDArray[np.object_]) -> dict[object, float]:
    """The highest score of each label; a candidate without one is a label of its own."""
    best: dict[object, float] = {}
    for place, score in enumerate(lower.tolist()):
        label = _label_at(labels, place)
        best[label] = max(score, best.get(label, score))
    return best


def _label_at(labels: npt.NDArray[np.object_], place: int) -> object:
    label = labels[place]
    return int(place) if label is None else label


def _mark(places: Sequence[int] | npt.NDArray[np.int64], columns: Tensor) -> Tensor:
    is_marked = torch.zeros(1, len(columns), dtype=torch.bool)
    is_marked[0, torch.as_tensor(places, dtype=torch.int64)] = True
    return is_marked.to(columns.device)
