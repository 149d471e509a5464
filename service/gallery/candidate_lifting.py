"""Temporal scores of a search's candidates, on the device."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.temporal_lifting import Candidates, LiftingParameters, Pivot, find_temporal_scores
from service.gallery.appearance_scores import appearance_scores
from service.records import MICROSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True)
class LiftedCandidates:
    """What lifting knows of the candidates of one search.

    Attributes:
        temporal_scores: p_t, float64 [n].
        pivots: by camera, the best of each first.
        pivot_appearance_scores: p_a of each pivot and the nearby person that retrieved it.
        seconds: that the device worked on it.
    """

    temporal_scores: npt.NDArray[np.float64]
    pivots: list[Pivot]
    pivot_appearance_scores: list[float]
    seconds: float


def lift_candidates(
    logits: Tensor,
    detection_ids: npt.NDArray[np.object_],
    timestamps_us: npt.NDArray[np.int64],
    cameras: npt.NDArray[np.int64],
    parameters: LiftingParameters,
) -> tuple[npt.NDArray[np.float64], list[Pivot], list[float]]:
    """Temporal scores p_t, the pivots and their appearance scores.

    Pivots are retrieved by logits, which do not saturate.

    Args:
        logits: float32 [r, n] of the query and its nearby persons; exact where they may be pivots'.
        detection_ids: object [n].
        timestamps_us: int64 [n].
        cameras: int64 [n].
        parameters: the paper's.
    """
    device = logits.device
    # Counted from the first candidate, seconds are exact to less than a microsecond in float64.
    first = int(timestamps_us.min()) if len(timestamps_us) else 0
    seconds = torch.from_numpy((timestamps_us - first) / MICROSECONDS_PER_SECOND)
    candidates = Candidates(ids=detection_ids, cameras=torch.from_numpy(cameras).to(device), seconds=seconds.to(device))
    temporal = find_temporal_scores(logits, candidates, parameters)
    rows = [pivot.retrieved_by for pivot in temporal.pivots]
    places = [pivot.candidate for pivot in temporal.pivots]
    of_pivots: list[float] = appearance_scores(logits[rows, places]).tolist()
    return temporal.values.cpu().numpy(), temporal.pivots, of_pivots
