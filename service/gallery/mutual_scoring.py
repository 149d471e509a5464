"""Scores of a query and its best candidates among themselves, which re-ranking needs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.gallery.device_gallery import DeviceGallery


@dataclass(frozen=True, slots=True)
class MutualScoringJob:
    """A query's map, float16 [d, h, w], and the detections that it is to be compared with and they with each other."""

    query_map: npt.NDArray[np.float16]
    detection_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MutualScores:
    """Everybody against everybody.

    Attributes:
        logits: float32 [1 + n, 1 + n], on the CPU; [i, j] is the logit of i as the query against j. The query is the
            first, then come the detections.
        detection_ids: of the n detections; those erased in the meantime are not among them.
    """

    logits: Tensor
    detection_ids: tuple[str, ...]


class MutualScoring:
    """Scores the maps of the gallery against each other exactly, in one call of the scorer."""

    def __init__(self, gallery: DeviceGallery) -> None:
        self._gallery = gallery

    def score(self, jobs: list[MutualScoringJob]) -> list[MutualScores]:
        """The scores of each job."""
        with torch.inference_mode():
            return [self._score_one(job) for job in jobs]

    def _score_one(self, job: MutualScoringJob) -> MutualScores:
        slots = self._gallery.table.filled_slots(job.detection_ids)
        query = self._gallery.position_major(job.query_map)
        logits, slots = self._gallery.score_mutually(query, slots)
        return MutualScores(logits.cpu(), tuple(self._gallery.table.detection_ids[slots]))
