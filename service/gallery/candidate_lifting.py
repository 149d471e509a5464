"""Temporal scores of a search's candidates, on the device."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.temporal_lifting import Candidates, LiftingParameters, Pivot, find_temporal_scores
from service.gallery.appearance_scores import appearance_scores
from service.gallery.scored_candidates import ScoredPivot
from service.gallery.slot_table import SlotTable
from service.records import MICROSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True)
class LiftedCandidates:
    """What lifting knows of the n candidates of one search.

    Attributes:
        temporal_scores: p_t, float64 [n], on the device.
        pivots: by camera, the best of each first; empty where they are not wanted.
        seconds: that the device worked on it.
    """

    temporal_scores: Tensor
    pivots: tuple[ScoredPivot, ...]
    seconds: float


def lift_candidates(
    logits: Tensor,
    table: SlotTable,
    slots: npt.NDArray[np.int64],
    *,
    cameras: Tensor,
    parameters: LiftingParameters,
    nearby: Sequence[int] | None,
) -> LiftedCandidates:
    """Temporal scores p_t, and the pivots with their appearance scores.

    Pivots are retrieved by logits, which do not saturate.

    Args:
        logits: float32 [1 + r, n] of the query and its nearby persons; exact where they may be pivots'.
        table: of the gallery.
        slots: of the candidates, int64 [n].
        cameras: of the candidates, int64 [n], on the device.
        parameters: the paper's.
        nearby: slots of the nearby persons, r; None where it is not wanted who the pivots are.
    """
    began = time.perf_counter()
    # Counted from the first candidate, seconds are exact to less than a microsecond in float64.
    timestamps_us = table.timestamps_us[slots]
    first = int(timestamps_us.min()) if len(slots) else 0
    seconds = torch.from_numpy((timestamps_us - first) / MICROSECONDS_PER_SECOND).to(logits.device)
    candidates = Candidates(ids=table.detection_ids[slots], cameras=cameras, seconds=seconds)
    temporal = find_temporal_scores(logits, candidates, parameters)
    pivots = () if nearby is None else _describe(temporal.pivots, logits, table, slots, nearby)
    return LiftedCandidates(temporal.values, pivots, time.perf_counter() - began)


def _describe(
    pivots: Sequence[Pivot], logits: Tensor, table: SlotTable, slots: npt.NDArray[np.int64], nearby: Sequence[int]
) -> tuple[ScoredPivot, ...]:
    rows, places = [pivot.retrieved_by for pivot in pivots], [pivot.candidate for pivot in pivots]
    found = slots[places]
    names: list[str | None] = [None, *table.detection_ids[list(nearby)]]
    described = zip(
        [table.camera_ids[pivot.camera] for pivot in pivots],
        table.detection_ids[found].tolist(),
        table.timestamps_us[found].tolist(),
        [names[row] for row in rows],
        appearance_scores(logits[rows, places]).tolist(),
        strict=True,
    )
    return tuple(starmap(ScoredPivot, described))
