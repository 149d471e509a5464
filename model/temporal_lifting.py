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

# Candidates whose temporal score is computed at once: 32 MiB of float64 at the paper's K = 100.
_CANDIDATES_PER_BLOCK = 40_000


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
            increasing function of the appearance score does; logits do not saturate as probabilities do.
        candidates: what is scored.
        parameters: τ is not used here, it chose R.

    Returns:
        Scores in [0, 1 + α], temporal scores p_t in [0, 1]. Of equal retrieval scores at the K-th place those of
        the lower candidate ID are pivots, then those of the earlier row, so that storage order decides nothing.
    """
    temporal_scores = torch.zeros_like(candidates.seconds)
    pivots: list[Pivot] = []
    for camera in torch.unique(candidates.cameras).tolist():
        members = torch.nonzero(candidates.cameras == camera).flatten()
        chosen = _find_pivots(retrieval_scores[:, members], members, candidates.ids, parameters.num_pivots)
        pivots += [Pivot(camera, candidate, row) for row, candidate in chosen]
        pivot_seconds = candidates.seconds[[candidate for _, candidate in chosen]]
        temporal_scores[members] = _mean_closeness(candidates.seconds[members], pivot_seconds, parameters.sigma_seconds)
    scores = (temporal_scores + parameters.alpha) * appearance_scores.double()
    return LiftedScores(scores, temporal_scores, pivots)


def _find_pivots(
    scores: Tensor, members: Tensor, ids: Sequence[str] | npt.NDArray[np.object_], num_pivots: int
) -> list[tuple[int, int]]:
    """The K best (row, candidate) of one camera, best first. `scores` is [|R|, members]."""
    flat = scores.flatten()
    threshold = flat.topk(min(num_pivots, flat.numel())).values[-1]
    places = torch.nonzero(flat >= threshold).flatten()
    values = flat[places].tolist()
    rows = (places // len(members)).tolist()
    found = members[places % len(members)].tolist()
    order = sorted(range(len(values)), key=lambda i: (-values[i], ids[found[i]], rows[i]))
    return [(rows[i], found[i]) for i in order[:num_pivots]]


def _mean_closeness(seconds: Tensor, pivot_seconds: Tensor, sigma_seconds: float) -> Tensor:
    """The mean over pivots of exp(−ΔT²/σ²), float64 [n]."""
    blocks = [
        torch.exp(-(((block[:, None] - pivot_seconds[None, :]) / sigma_seconds) ** 2)).mean(dim=1)
        for block in seconds.split(_CANDIDATES_PER_BLOCK)
    ]
    return torch.cat(blocks)
