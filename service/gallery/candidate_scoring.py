"""Scores of queries and their nearby persons against the candidates of each search, all searches that wait at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.gallery_scoring import GalleryScorer
from service.gallery.device_gallery import DeviceGallery
from service.gallery.remembered_rows import RememberedRows
from service.records import CandidateFilter


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """One search.

    Attributes:
        query_map: float16 [d, h, w].
        nearby_ids: detections that are scored against the candidates too.
        wanted: the candidates.
        excluded_id: the query itself where it is stored; no candidate.
    """

    query_map: npt.NDArray[np.float16]
    nearby_ids: tuple[str, ...]
    wanted: CandidateFilter
    excluded_id: str | None


@dataclass(frozen=True, slots=True)
class SearchLogits:
    """The logits of one search among those of a batch, for the device thread alone.

    Searches of a batch share who is near several of their queries, and no copy is made before one is lifted.

    Attributes:
        of_batch: float32 [all rows, all columns], on the device.
        rows: of this search, r of them; the first is the query's.
        columns: of this search, n of them.
    """

    of_batch: Tensor
    rows: list[int]
    columns: Tensor | slice

    def of_query(self) -> Tensor:
        """The query's own, float32 [n]."""
        return self.of_batch[self.rows[0], self.columns]

    def of_search(self) -> Tensor:
        """All of them, float32 [r, n]; a copy, but for a batch of one search."""
        is_alone = self.rows == list(range(len(self.of_batch)))
        return (self.of_batch if is_alone else self.of_batch[self.rows])[:, self.columns]


@dataclass(frozen=True, slots=True)
class ScoredCandidates:
    """The candidates of one search as they were when scored, with n columns, and who was scored, with r rows.

    Attributes:
        logits: of r rows and n columns.
        appearance_scores: the query's p_a, float64 [n]: in float32 the best would all be 1.
        nearby_ids: of rows 1 to r − 1; those erased in the meantime are not among them.
        detection_ids: object [n].
        timestamps_us: int64 [n].
        cameras: int64 [n], numbers into `camera_ids`.
        camera_ids: names of the numbers.
        track_ids: object [n].
        person_ids: object [n].
        gallery_size: detections in the gallery, candidates or not.
    """

    logits: SearchLogits
    appearance_scores: npt.NDArray[np.float64]
    nearby_ids: tuple[str, ...]
    detection_ids: npt.NDArray[np.object_]
    timestamps_us: npt.NDArray[np.int64]
    cameras: npt.NDArray[np.int64]
    camera_ids: tuple[str, ...]
    track_ids: npt.NDArray[np.object_]
    person_ids: npt.NDArray[np.object_]
    gallery_size: int


class CandidateScoring:
    """Scores the searches of a batch in one pass over the gallery, but for what is remembered of earlier ones."""

    def __init__(self, gallery: DeviceGallery, scorer: GalleryScorer, rows: RememberedRows) -> None:
        self._gallery = gallery
        self._scorer = scorer
        self._rows = rows

    def score(self, jobs: list[ScoringJob]) -> list[ScoredCandidates]:
        """Scores every job; the gallery is read once for all of them, and who is near several queries scored once."""
        table = self._gallery.table
        slots = [table.candidates(job.wanted, job.excluded_id) for job in jobs]
        nearby = [table.filled_slots(job.nearby_ids) for job in jobs]
        union = slots[0] if len(jobs) == 1 else np.unique(np.concatenate(slots))
        persons = list(dict.fromkeys(slot for near in nearby for slot in near))
        row_of = {slot: row for row, slot in enumerate(persons, start=len(jobs))}
        with torch.inference_mode():
            logits = self._score_rows(jobs, persons, union)
            parts = [
                SearchLogits(logits, [row, *(row_of[slot] for slot in near)], self._columns(job_slots, union))
                for row, (near, job_slots) in enumerate(zip(nearby, slots, strict=True))
            ]
            return [
                self._describe(part, job_slots, near)
                for part, job_slots, near in zip(parts, slots, nearby, strict=True)
            ]

    def _score_rows(self, jobs: list[ScoringJob], persons: list[int], columns: npt.NDArray[np.int64]) -> Tensor:
        """Logits of the jobs' queries, then of the persons in some slots, against the detections in others."""
        maps = [*(self._gallery.position_major(job.query_map) for job in jobs), *self._gallery.maps_at(persons)]

        def score(rows: Sequence[int], slots: npt.NDArray[np.int64]) -> Tensor:
            return self._gallery.score(self._scorer, torch.stack([maps[row] for row in rows]), slots)

        return self._rows.score([*(None for _ in jobs), *persons], columns, score)

    def _columns(self, slots: npt.NDArray[np.int64], union: npt.NDArray[np.int64]) -> Tensor | slice:
        if len(slots) == len(union):
            return slice(None)
        return torch.from_numpy(np.searchsorted(union, slots)).to(self._gallery.device)

    def _describe(self, logits: SearchLogits, slots: npt.NDArray[np.int64], nearby: list[int]) -> ScoredCandidates:
        table = self._gallery.table
        return ScoredCandidates(
            logits=logits,
            appearance_scores=_appearance_scores(logits.of_query()),
            nearby_ids=tuple(table.detection_ids[nearby]),
            detection_ids=table.detection_ids[slots],
            timestamps_us=table.timestamps_us[slots],
            cameras=table.cameras[slots],
            camera_ids=tuple(table.camera_ids),
            track_ids=table.track_ids[slots],
            person_ids=table.person_ids[slots],
            gallery_size=table.size,
        )


def _appearance_scores(logits: Tensor) -> npt.NDArray[np.float64]:
    """Sigmoids, equal for equal logits: those of torch differ in the last bit with the place in the tensor."""
    with np.errstate(over="ignore"):  # far below zero the exponential is infinite, and the score 0
        scores: npt.NDArray[np.float64] = 1 / (1 + np.exp(-logits.cpu().numpy().astype(np.float64)))
    return scores
