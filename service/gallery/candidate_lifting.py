"""Temporal lifting of a search's scored candidates, on the device."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from model.temporal_lifting import Candidates, LiftingParameters, Pivot, lift_scores
from service.gallery.candidate_scoring import ScoredCandidates
from service.records import MICROSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True)
class LiftingJob:
    """The scored candidates of one search, what is lifted of them, and the paper's parameters.

    `similarities` are the query's p_a or what re-ranking made of them, float64 [n], in [0, 1]. Pivots are retrieved by
    appearance either way: the nearby persons' own candidates are not re-ranked.
    """

    scored: ScoredCandidates
    similarities: npt.NDArray[np.float64]
    parameters: LiftingParameters


@dataclass(frozen=True, slots=True)
class LiftedCandidates:
    """What lifting made of the candidates of one search.

    Attributes:
        scores: final scores, float64 [n].
        temporal_scores: p_t, float64 [n].
        pivots: by camera, the best of each first.
        pivot_appearance_scores: p_a of each pivot and the nearby person that retrieved it.
    """

    scores: npt.NDArray[np.float64]
    temporal_scores: npt.NDArray[np.float64]
    pivots: list[Pivot]
    pivot_appearance_scores: list[float]


def lift_candidates(jobs: list[LiftingJob]) -> list[LiftedCandidates]:
    """Lifts each job. Pivots are retrieved by logits, which do not saturate."""
    with torch.inference_mode():
        return [_lift(job.scored, job.similarities, job.parameters) for job in jobs]


def _lift(
    scored: ScoredCandidates, similarities: npt.NDArray[np.float64], parameters: LiftingParameters
) -> LiftedCandidates:
    logits = scored.logits.of_search()
    device = logits.device
    # Counted from the first candidate, seconds are exact to less than a microsecond in float64.
    first = int(scored.timestamps_us.min()) if len(scored.timestamps_us) else 0
    seconds = torch.from_numpy((scored.timestamps_us - first) / MICROSECONDS_PER_SECOND)
    candidates = Candidates(
        ids=scored.detection_ids, cameras=torch.from_numpy(scored.cameras).to(device), seconds=seconds.to(device)
    )
    lifted = lift_scores(torch.from_numpy(similarities).to(device), logits, candidates, parameters)
    rows = [pivot.retrieved_by for pivot in lifted.pivots]
    places = [pivot.candidate for pivot in lifted.pivots]
    return LiftedCandidates(
        scores=lifted.scores.cpu().numpy(),
        temporal_scores=lifted.temporal_scores.cpu().numpy(),
        pivots=lifted.pivots,
        pivot_appearance_scores=logits[rows, places].double().sigmoid().tolist(),
    )
