"""Temporal lifting (TLift): people who were near the query in time are looked for too, and where they turn up, what is
seen at about the same time is lifted (Liao & Shao 2020, Section 4). On the fly, for one query.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

# Pairs of a time and a pivot computed at once: 32 MiB of float64.
_PAIRS_PER_BLOCK = 4 * 2**20
# Times of a camera go in so many blocks, each of them worth the calls, and leave out pivots too far away to count.
_BLOCKS_OF_TIME = 8
_TIMES_PER_BLOCK = 256
# exp(−x²) is zero in float64 from here on.
_FARTHEST = 28.0


@dataclass(frozen=True, slots=True)
class LiftingParameters:
    """The paper's τ, σ, K and α.

    The authors' code has σ = 200 s, K = 10, α = 0.2.

    Raises:
        ValueError: τ, σ or K is not positive, α is negative, or one is not finite.
    """

    tau_seconds: float = 100.0
    sigma_seconds: float = 100.0
    num_pivots: int = 100
    alpha: float = 0.1

    def __post_init__(self) -> None:
        seconds = (self.tau_seconds, self.sigma_seconds)
        if not (all(0 < value < math.inf for value in seconds) and self.num_pivots >= 1 and 0 <= self.alpha < math.inf):
            raise ValueError(f"τ, σ and K must be positive, α not negative, all finite: {self}")


@dataclass(frozen=True, slots=True)
class Candidates:
    """The gallery of one search.

    Attributes:
        ids: n detection IDs; equal scores are ordered by them.
        cameras: int64 [n], a number for each camera.
        seconds: float64 [n], when each was seen.
    """

    ids: Sequence[str] | npt.NDArray[np.object_]
    cameras: Tensor
    seconds: Tensor


@dataclass(frozen=True, slots=True)
class Pivot:
    """A candidate that is probably one of the nearby persons.

    `retrieved_by` is that person's row, `candidate` its own place among the candidates.
    """

    camera: int
    candidate: int
    retrieved_by: int


@dataclass(frozen=True, slots=True)
class TemporalScores:
    """p_t of all candidates, float64 [n], in [0, 1], and the pivots, the best of each camera first."""

    values: Tensor
    pivots: list[Pivot]


@dataclass(frozen=True, slots=True)
class LiftedScores:
    """Final and temporal scores of all candidates, float64 [n], and the pivots, the best of each camera first."""

    scores: Tensor
    temporal_scores: Tensor
    pivots: list[Pivot]


def lift_scores(
    appearance_scores: Tensor, retrieval_scores: Tensor, candidates: Candidates, parameters: LiftingParameters
) -> LiftedScores:
    """Lifts a query's appearance scores: p(A, X) = (p_t(A, X) + α) · p_a(A, X), Eq. (2) and (3) of Section 4.

    Args:
        appearance_scores: p_a of the query, float [n], in [0, 1].
        retrieval_scores: float [|R|, n], how well each nearby person, the query among them, matches each candidate. Any
            increasing function of the appearance score does; logits do not saturate as probabilities do. −∞ where there
            is no score: that makes no pivot.
        candidates: what is scored.
        parameters: τ is not used here, it chose R.

    Returns:
        Scores in [0, 1 + α], temporal scores p_t in [0, 1].
    """
    temporal = find_temporal_scores(retrieval_scores, candidates, parameters)
    scores = (temporal.values + parameters.alpha) * appearance_scores.double()
    return LiftedScores(scores, temporal.values, temporal.pivots)


def find_temporal_scores(
    retrieval_scores: Tensor, candidates: Candidates, parameters: LiftingParameters
) -> TemporalScores:
    """Chooses the pivots, and says how close to them in time each candidate was seen: p_t, Eq. (2) of Section 4.

    Arguments as those of `lift_scores`. Of equal retrieval scores at the K-th place those of the lower candidate ID are
    pivots, then those of the earlier row, so that storage order decides nothing.
    """
    temporal_scores = torch.zeros_like(candidates.seconds)
    pivots: list[Pivot] = []
    best = retrieval_scores.amax(dim=0)
    for camera in torch.unique(candidates.cameras).tolist():
        members = torch.nonzero(candidates.cameras == camera).flatten()
        likely = _leave_out_the_unlikely(best, members, parameters.num_pivots)
        scores_of_likely = retrieval_scores.index_select(1, likely)
        chosen = _find_pivots(scores_of_likely, likely, candidates.ids, parameters.num_pivots)
        if not chosen:
            continue
        pivots += [Pivot(camera, candidate, row) for row, candidate in chosen]
        pivot_seconds = candidates.seconds[[candidate for _, candidate in chosen]]
        temporal_scores[members] = _mean_closeness(candidates.seconds[members], pivot_seconds, parameters.sigma_seconds)
    return TemporalScores(temporal_scores, pivots)


def _leave_out_the_unlikely(best: Tensor, members: Tensor, num_pivots: int) -> Tensor:
    """The members of a camera that may be pivots: of K others each has a row that scores higher than any of theirs."""
    if len(members) <= num_pivots:
        return members
    best_of_members = best[members]
    return members[best_of_members >= best_of_members.topk(num_pivots).values[-1]]


def _find_pivots(
    scores: Tensor, members: Tensor, ids: Sequence[str] | npt.NDArray[np.object_], num_pivots: int
) -> list[tuple[int, int]]:
    """The K best (row, candidate) of one camera, best first. `scores` is [|R|, members]."""
    count = min(num_pivots, int(torch.count_nonzero(~scores.isneginf())))
    if count == 0:
        return []
    threshold = scores.flatten().topk(count).values[-1]
    rows, columns = torch.nonzero(scores > threshold, as_tuple=True)
    found = members[columns].tolist()
    better = zip(scores[rows, columns].tolist(), rows.tolist(), found, strict=True)
    best = sorted(better, key=lambda pivot: (-pivot[0], ids[pivot[2]], pivot[1]))
    return [(row, candidate) for _, row, candidate in best] + _first_equal(
        scores == threshold, members, ids, count - len(best)
    )


def _first_equal(
    is_equal: Tensor, members: Tensor, ids: Sequence[str] | npt.NDArray[np.object_], count: int
) -> list[tuple[int, int]]:
    """The first `count` (row, candidate) of those marked in [|R|, members], by candidate ID, then by row."""
    columns = torch.nonzero(is_equal.any(dim=0)).flatten()
    candidates = members[columns].tolist()
    # Of any column at most all rows are wanted: this many candidates hold enough, however many are equal.
    first = sorted(range(len(candidates)), key=lambda place: ids[candidates[place]])[:count]
    chosen: list[tuple[int, int]] = []
    for place in first:
        rows = torch.nonzero(is_equal[:, columns[place]]).flatten().tolist()
        chosen += [(row, candidates[place]) for row in rows]
        if len(chosen) >= count:
            break
    return chosen[:count]


def _mean_closeness(seconds: Tensor, pivot_seconds: Tensor, sigma_seconds: float) -> Tensor:
    """The mean over pivots of exp(−ΔT²/σ²), float64 [n]."""
    # Once for each time: the last bit of `exp` depends on the place in the tensor, and equal scores are to be equal.
    moments, moment_of_candidate = torch.unique(seconds, return_inverse=True)
    pivots, counts = torch.unique(pivot_seconds, return_counts=True)
    size = max(_TIMES_PER_BLOCK, -(-len(moments) // _BLOCKS_OF_TIME))
    size = min(size, max(1, _PAIRS_PER_BLOCK // len(pivots)))
    sums = [_sum_closeness(block, pivots, counts, sigma_seconds) for block in moments.split(size)]
    return torch.cat(sums)[moment_of_candidate] / len(pivot_seconds)


def _sum_closeness(seconds: Tensor, pivots: Tensor, counts: Tensor, sigma_seconds: float) -> Tensor:
    """The sum over pivots, each counted as often as it is one; both times ascending."""
    farthest = _FARTHEST * sigma_seconds
    ends = torch.stack((seconds[0] - farthest, seconds[-1] + farthest))
    first, last = torch.searchsorted(pivots, ends).tolist()
    closeness = (seconds[:, None] - pivots[None, first:last]).div_(sigma_seconds).square_().neg_().exp_()
    return (closeness * counts[first:last]).sum(dim=1)
