"""Scores of queries and their nearby persons against the candidates of each search, all searches that wait at once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.temporal_lifting import LiftingParameters
from service.gallery.appearance_scores import Scores, appearance_scores, lifted_scores
from service.gallery.best_matches import GroupBy, group_labels
from service.gallery.candidate_lifting import LiftedCandidates, lift_candidates
from service.gallery.certified_ranking import WantedBest, number_labels, settle_best, settle_pivots
from service.gallery.device_gallery import DeviceGallery
from service.gallery.pair_scores import PairScores
from service.gallery.remembered_rows import RememberedRows
from service.observability.metrics import Metrics
from service.records import CandidateFilter

# A pass shared by all searches that wait may compute so many times the pairs that they need one by one: a gallery that
# is read once for all makes up for that much.
_MOST_WASTED = 1.25


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """One search.

    Attributes:
        query_map: float16 [d, h, w].
        nearby_ids: detections that are scored against the candidates too.
        wanted: the candidates.
        excluded_id: the query itself where it is stored; no candidate.
        count: how many of the best candidates have to have the scores that exact scoring alone gives.
        group_by: of what these are the best: each detection, or one for each track or person.
        lifting: the paper's parameters; None for no lifting.
        is_ranked_by_appearance: whether the best are wanted by appearance alone although temporal scores are wanted
            too, because they are to be re-ranked.
    """

    query_map: npt.NDArray[np.float16]
    nearby_ids: tuple[str, ...]
    wanted: CandidateFilter
    excluded_id: str | None
    count: int
    group_by: GroupBy = "detection"
    lifting: LiftingParameters | None = None
    is_ranked_by_appearance: bool = False


@dataclass(frozen=True, slots=True)
class ScoredCandidates:
    """The n candidates of one search as they were when scored.

    Attributes:
        appearance_scores: the query's p_a, float64 [n]: in float32 the best would all be 1. Those that may be among the
            best are exact, those of all others too low to be.
        lifted: temporal scores and pivots; None without lifting.
        nearby_ids: who was near; those erased in the meantime are not among them.
        detection_ids: object [n].
        unreadable_ids: of those whose maps on the disk could not be read for exact scores; their p_a is 0.
        timestamps_us: int64 [n].
        cameras: int64 [n], numbers into `camera_ids`.
        camera_ids: names of the numbers.
        track_ids: object [n].
        person_ids: object [n].
        gallery_size: detections in the gallery, candidates or not.
    """

    appearance_scores: npt.NDArray[np.float64]
    lifted: LiftedCandidates | None
    nearby_ids: tuple[str, ...]
    detection_ids: npt.NDArray[np.object_]
    unreadable_ids: tuple[str, ...]
    timestamps_us: npt.NDArray[np.int64]
    cameras: npt.NDArray[np.int64]
    camera_ids: tuple[str, ...]
    track_ids: npt.NDArray[np.object_]
    person_ids: npt.NDArray[np.object_]
    gallery_size: int


@dataclass(frozen=True, slots=True)
class _Search:
    """A job, its rows among its group's scores, the query's first, and columns, slots and IDs of its candidates."""

    job: ScoringJob
    pairs: PairScores
    rows: list[int]
    columns: Tensor
    slots: npt.NDArray[np.int64]
    detection_ids: npt.NDArray[np.object_]


class CandidateScoring:
    """Scores the searches of a batch, but for what is remembered of earlier ones.

    Args:
        gallery: that is searched.
        rows: what is remembered of its scores.
        metrics: where pairs are counted.
    """

    def __init__(self, gallery: DeviceGallery, rows: RememberedRows, metrics: Metrics | None = None) -> None:
        self._gallery = gallery
        self._rows = rows
        metrics = metrics or Metrics()
        self._settled = metrics.counter(
            "qaconv_settled_pairs_total", "Pairs whose exact score was computed after that of the int8 pass."
        )

    def score(self, jobs: list[ScoringJob]) -> list[ScoredCandidates]:
        """Scores every job, all of them in one pass over the gallery, and who is near several of their queries once.

        Where their candidates differ so much that most of what such a pass computes would be nobody's, those with the
        same filter share one.
        """
        table = self._gallery.table
        slots = [table.candidates(job.wanted, job.excluded_id) for job in jobs]
        nearby = [table.filled_slots(dict.fromkeys(job.nearby_ids)) for job in jobs]
        results: dict[int, ScoredCandidates] = {}
        with torch.inference_mode():
            for numbers in _share_passes(jobs, slots, nearby):
                scored = self._score_together(
                    [jobs[number] for number in numbers],
                    [slots[number] for number in numbers],
                    [nearby[number] for number in numbers],
                )
                results.update(zip(numbers, scored, strict=True))
        return [results[number] for number in range(len(jobs))]

    def _score_together(
        self, jobs: list[ScoringJob], slots: list[npt.NDArray[np.int64]], nearby: list[list[int]]
    ) -> list[ScoredCandidates]:
        union = _union(slots)
        persons = list(dict.fromkeys(slot for near in nearby for slot in near))
        row_of = {slot: row for row, slot in enumerate(persons, start=len(jobs))}
        maps = [self._gallery.position_major(job.query_map) for job in jobs]
        pairs = PairScores(self._gallery, self._rows, maps, persons, union)
        searches = [
            _Search(
                job=job,
                pairs=pairs,
                rows=[row, *(row_of[slot] for slot in near)],
                columns=torch.from_numpy(np.searchsorted(union, own)).to(self._gallery.device),
                slots=own,
                detection_ids=self._gallery.table.detection_ids[own],
            )
            for row, (job, own, near) in enumerate(zip(jobs, slots, nearby, strict=True))
        ]
        return [self._finish(search, near) for search, near in zip(searches, nearby, strict=True)]

    def _finish(self, search: _Search, near: list[int]) -> ScoredCandidates:
        """Temporal scores of one search, then the exact scores of its best candidates."""
        table, slots = self._gallery.table, search.slots
        lifted = None if search.job.lifting is None else self._lift(search, search.job.lifting)
        if not search.pairs.are_exact and len(slots) > 0:
            self._settle(search, lifted)
        return ScoredCandidates(
            appearance_scores=appearance_scores(search.pairs.logits[search.rows[0], search.columns]),
            lifted=lifted,
            nearby_ids=tuple(table.detection_ids[near]),
            detection_ids=search.detection_ids,
            unreadable_ids=tuple(table.detection_ids[sorted(search.pairs.unreadable)]),
            timestamps_us=table.timestamps_us[slots],
            cameras=table.cameras[slots],
            camera_ids=tuple(table.camera_ids),
            track_ids=table.track_ids[slots],
            person_ids=table.person_ids[slots],
            gallery_size=table.size,
        )

    def _lift(self, search: _Search, parameters: LiftingParameters) -> LiftedCandidates:
        table, slots, columns = self._gallery.table, search.slots, search.columns
        if not search.pairs.are_exact:
            cameras = torch.from_numpy(table.cameras[slots]).to(columns.device)
            self._settled.inc(settle_pivots(search.pairs, search.rows, columns, cameras, parameters.num_pivots))
        began = time.perf_counter()
        scores, pivots, of_pivots = lift_candidates(
            search.pairs.logits[search.rows][:, columns],
            search.detection_ids,
            table.timestamps_us[slots],
            table.cameras[slots],
            parameters,
        )
        return LiftedCandidates(scores, pivots, of_pivots, time.perf_counter() - began)

    def _settle(self, search: _Search, lifted: LiftedCandidates | None) -> None:
        table, job = self._gallery.table, search.job
        labels = group_labels(job.group_by, table.track_ids[search.slots], table.person_ids[search.slots])

        def scores_of(logits: Tensor) -> Scores:
            scores = appearance_scores(logits)
            if lifted is None or job.lifting is None or job.is_ranked_by_appearance:
                return scores
            return lifted_scores(scores, lifted.temporal_scores, job.lifting.alpha)

        wanted = WantedBest(
            scores_of, search.detection_ids, None if labels is None else number_labels(labels), job.count
        )
        self._settled.inc(settle_best(search.pairs, search.rows[0], search.columns, wanted))


def _union(slots: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Ascending; by a mask, for sorting takes many times as long."""
    if len(slots) == 1:
        return slots[0]
    is_wanted = np.zeros(1 + max(int(own[-1]) if len(own) else -1 for own in slots), dtype=bool)
    for own in slots:
        is_wanted[own] = True
    return np.flatnonzero(is_wanted)


def _share_passes(
    jobs: Sequence[ScoringJob], slots: Sequence[npt.NDArray[np.int64]], nearby: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Which jobs are scored together, by their numbers."""
    rows = len(jobs) + len({slot for near in nearby for slot in near})
    alone = sum((1 + len(near)) * len(own) for own, near in zip(slots, nearby, strict=True))
    if len(jobs) == 1 or rows * len(_union(slots)) <= _MOST_WASTED * alone:
        return [list(range(len(jobs)))]
    groups: dict[CandidateFilter, list[int]] = {}
    for number, job in enumerate(jobs):
        groups.setdefault(job.wanted, []).append(number)
    return list(groups.values())
