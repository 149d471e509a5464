"""Temporal lifting of a search's scored candidates, on the device."""

from dataclasses import dataclass

import torch

from model.temporal_lifting import Candidates, LiftedScores, LiftingParameters, lift_scores
from service.gallery.candidate_scoring import ScoredCandidates
from service.records import MICROSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True)
class LiftingJob:
    """The scored candidates of one search, and the paper's parameters."""

    scored: ScoredCandidates
    parameters: LiftingParameters


def lift_candidates(jobs: list[LiftingJob]) -> list[LiftedScores]:
    """Lifted scores of each job, on the CPU. Pivots are retrieved by logits, which do not saturate."""
    return [_lift(job.scored, job.parameters) for job in jobs]


def _lift(scored: ScoredCandidates, parameters: LiftingParameters) -> LiftedScores:
    device = scored.logits.device
    # Counted from the first candidate, seconds are exact to less than a microsecond in float64.
    first = int(scored.timestamps_us.min()) if len(scored.timestamps_us) else 0
    seconds = torch.from_numpy((scored.timestamps_us - first) / MICROSECONDS_PER_SECOND)
    candidates = Candidates(
        ids=scored.detection_ids, cameras=torch.from_numpy(scored.cameras).to(device), seconds=seconds.to(device)
    )
    with torch.inference_mode():
        appearance_scores = scored.logits[0].double().sigmoid()
        lifted = lift_scores(appearance_scores, scored.logits, candidates, parameters)
    return LiftedScores(lifted.scores.cpu(), lifted.temporal_scores.cpu(), lifted.pivots)
