"""Which of a search's coarse scores have to be exact, so that its answer is the one that exact scores alone give.

Of each score it is known between which bounds it is. Let T be the K-th highest of the lower bounds: K exact scores are
T or more, so whoever's upper bound is below T is not among the K best. All others get their exact scores, and whoever
is left with a coarse one ranks behind K others, whatever it may be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.gallery.best_matches import choose_best
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
    may_be_pivot = torch.zeros(len(rows), len(columns), dtype=torch.bool, device=columns.device)
    for camera in torch.unique(cameras).tolist():
        members = torch.nonzero(cameras == camera).flatten()
        lower, upper = pairs.bounds(rows, columns[members])
        threshold = -torch.inf
        if lower.numel() > num_pivots:
            threshold = float(lower.flatten().topk(num_pivots).values[-1])
        may_be_pivot[:, members] = upper >= threshold
    return pairs.settle(rows, columns, may_be_pivot)


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
    lower, upper = (wanted.scores_of(logits[0]) for logits in pairs.bounds([row], columns))
    best = choose_best(lower, wanted.detection_ids, wanted.labels, wanted.count)
    threshold = lower[best[-1]] if len(best) == wanted.count else -np.inf
    may_be_best = upper >= threshold
    if wanted.labels is not None:
        may_be_best &= upper >= _best_of_label(lower, wanted.labels)
    return pairs.settle([row], columns, torch.from_numpy(may_be_best)[None].to(columns.device))


def _best_of_label(lower: Scores, labels: npt.NDArray[np.object_]) -> Scores:
    """For each candidate the highest score of its label, its own where it has none."""
    best: dict[object, float] = {}
    for label, score in zip(labels, lower.tolist(), strict=True):
        if label is not None:
            best[label] = max(score, best.get(label, score))
    return np.array([score if label is None else best[label] for label, score in zip(labels, lower, strict=True)])
