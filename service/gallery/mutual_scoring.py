"""Scores of a query and its best candidates among themselves, which re-ranking needs."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.gallery_scoring import GalleryScorer
from service.gallery.device_gallery import DeviceGallery
from service.out_of_memory import in_halves

# Rows that are scored together: of fewer a CPU would read the other maps too often, of more it would score too many
# pairs twice. Of 201 maps on two cores 8 and 16 took as long, 32 an eighth longer, all at once twice as long.
_ROWS_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class MutualScoringJob:
    """A query's map, float16 [d, h, w], and the detections that it is to be compared with and they with each other."""

    query_map: npt.NDArray[np.float16]
    detection_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MutualScores:
    """Everybody against everybody.

    Attributes:
        logits: float32 [1 + n, 1 + n], on the CPU; [i, j] is the mean of the logits of i as the query against j and of
            j against i, equal to [j, i] but for float32's rounding. The query is the first, then come the detections.
        detection_ids: of the n detections; those erased in the meantime, or whose maps cannot be read, are not among
            them.
    """

    logits: Tensor
    detection_ids: tuple[str, ...]


class MutualScoring:
    """Scores the maps of the gallery against each other exactly.

    Args:
        gallery: whose maps are scored.
        scorer: of its exact maps, with the mean of both directions' logits (`FoldedMatcher.mean_of_directions`).
    """

    def __init__(self, gallery: DeviceGallery, scorer: GalleryScorer) -> None:
        self._gallery = gallery
        self._scorer = scorer

    def score(self, jobs: list[MutualScoringJob]) -> list[MutualScores]:
        """The scores of each job."""
        with torch.inference_mode():
            return [self._score_one(job) for job in jobs]

    def _score_one(self, job: MutualScoringJob) -> MutualScores:
        table = self._gallery.table
        slots = table.filled_slots(job.detection_ids)
        found = zip(slots, self._gallery.exact.at(slots), strict=True)
        there = [(slot, map_) for slot, map_ in found if map_ is not None]
        maps = torch.stack([self._gallery.position_major(job.query_map), *(map_ for _, map_ in there)])
        return MutualScores(self._score_all(maps).cpu(), tuple(table.detection_ids[[slot for slot, _ in there]]))

    def _score_all(self, maps: Tensor) -> Tensor:
        """Each pair once, and a few of them twice: a block of rows from the diagonal on is a block of columns too."""
        logits = torch.empty(len(maps), len(maps), device=maps.device)
        for start in range(0, len(maps), _ROWS_TOGETHER):
            rows = slice(start, start + _ROWS_TOGETHER)
            block = in_halves(partial(self._scorer.score, gallery_maps=maps[start:]), maps[rows])
            logits[rows, start:] = block
            logits[start:, rows] = block.T
        return logits
