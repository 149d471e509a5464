"""Scores of queries and their nearby persons against the candidates of each search, all searches that wait at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.temporal_lifting import LiftingParameters
from service.gallery.best_matches import GroupBy
from service.gallery.candidate_lifting import LiftedCandidates, lift_candidates
from service.gallery.candidate_order import CandidateOrder
from service.gallery.certified_ranking import settle_best, settle_pivots
from service.gallery.device_gallery import DeviceGallery
from service.gallery.pair_scores import PairScores
from service.gallery.remembered_rows import RememberedRows
from service.gallery.scored_candidates import ScoredCandidates
from service.gallery.shared_passes import share_passes
from service.observability.metrics import Metrics
from service.records import CandidateFilter


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """One search.

    Attributes:
        query_map: float16 [d, h, w].
        nearby_ids: detections that are scored against the candidates too.
        wanted: the candidates.
        excluded_id: the query itself where it is stored; no candidate.
        count: how many of the best candidates are wanted, with the scores that exact scoring alone gives.
        group_by: of what these are the best: each detection, or one for each track or person.
        lifting: the paper's parameters; None for no lifting.
        is_ranked_by_appearance: whether the best are wanted by appearance alone although temporal scores are wanted
            too, because they are to be re-ranked.
        includes_pivots: whether the pivots are wanted too.
    """

    query_map: npt.NDArray[np.float16]
    nearby_ids: tuple[str, ...]
    wanted: CandidateFilter
    excluded_id: str | None
    count: int
    group_by: GroupBy = "detection"
    lifting: LiftingParameters | None = None
    is_ranked_by_appearance: bool = False
    includes_pivots: bool = False


@dataclass(frozen=True, slots=True)
class _Search:
    """A job among those that are scored together.

    Attributes:
        rows: of the scores: the query's, then those of who is near.
        nearby: slots of who is near.
        columns: of the candidates, on the device.
        slots: of the candidates.
    """

    job: ScoringJob
    pairs: PairScores
    rows: list[int]
    nearby: list[int]
    columns: Tensor
    slots: npt.NDArray[np.int64]


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
        """Scores every job, as many as can share one in one pass over the gallery, and who is near several of their
        queries once.
        """
        table = self._gallery.table
        slots = [table.candidates(job.wanted, job.excluded_id) for job in jobs]
        nearby = [table.filled_slots(dict.fromkeys(job.nearby_ids)) for job in jobs]
        new_persons = [[slot for slot in near if not self._rows.knows(slot)] for near in nearby]
        results: dict[int, ScoredCandidates] = {}
        with torch.inference_mode():
            for shared in share_passes([job.wanted for job in jobs], slots, new_persons):
                scored = self._score_together(
                    [jobs[number] for number in shared.numbers],
                    [slots[number] for number in shared.numbers],
                    [nearby[number] for number in shared.numbers],
                    shared.slots,
                )
                results.update(zip(shared.numbers, scored, strict=True))
        return [results[number] for number in range(len(jobs))]

    def _score_together(
        self,
        jobs: list[ScoringJob],
        slots: list[npt.NDArray[np.int64]],
        nearby: list[list[int]],
        union: npt.NDArray[np.int64],
    ) -> list[ScoredCandidates]:
        persons = list(dict.fromkeys(slot for near in nearby for slot in near))
        row_of = {slot: row for row, slot in enumerate(persons, start=len(jobs))}
        maps = [self._gallery.position_major(job.query_map) for job in jobs]
        pairs = PairScores(self._gallery, self._rows, maps, persons, union)
        searches = [
            _Search(
                job=job,
                pairs=pairs,
                rows=[row, *(row_of[slot] for slot in near)],
                nearby=near,
                columns=_columns(own, union, self._gallery.device),
                slots=own,
            )
            for row, (job, own, near) in enumerate(zip(jobs, slots, nearby, strict=True))
        ]
        return [self._finish(search) for search in searches]

    def _finish(self, search: _Search) -> ScoredCandidates:
        """Temporal scores of one search, then the exact scores of its best candidates."""
        table, job = self._gallery.table, search.job
        while True:
            unreadable = len(search.pairs.unreadable)
            lifted = None if job.lifting is None else self._lift(search, job.lifting)
            order = self._order(search, lifted)
            if not search.pairs.are_exact and len(search.slots) > 0:
                self._settled.inc(settle_best(search.pairs, search.rows[0], search.columns, order))
            # Who cannot be read may have been a pivot: by a score that was remembered.
            if lifted is None or len(search.pairs.unreadable) == unreadable:
                break
        return ScoredCandidates(
            best=order.choose_best(search.pairs.logits[search.rows[0], search.columns]),
            pivots=() if lifted is None else lifted.pivots,
            lifting_seconds=None if lifted is None else lifted.seconds,
            nearby_ids=tuple(table.detection_ids[search.nearby]),
            unreadable_ids=tuple(table.detection_ids[sorted(search.pairs.unreadable)]),
            num_candidates=len(search.slots),
            gallery_size=table.size,
        )

    def _order(self, search: _Search, lifted: LiftedCandidates | None) -> CandidateOrder:
        job = search.job
        return CandidateOrder(
            table=self._gallery.table,
            slots=search.slots,
            group_by=job.group_by,
            count=job.count,
            temporal_scores=None if lifted is None else lifted.temporal_scores,
            alpha=None if job.lifting is None or job.is_ranked_by_appearance else job.lifting.alpha,
        )

    def _lift(self, search: _Search, parameters: LiftingParameters) -> LiftedCandidates:
        table, slots, columns = self._gallery.table, search.slots, search.columns
        cameras = torch.from_numpy(table.cameras[slots]).to(columns.device)
        if not search.pairs.are_exact:
            self._settled.inc(settle_pivots(search.pairs, search.rows, columns, cameras, parameters.num_pivots))
        logits = search.pairs.logits[search.rows][:, columns]
        nearby = search.nearby if search.job.includes_pivots else None
        return lift_candidates(logits, table, slots, cameras=cameras, parameters=parameters, nearby=nearby)


def _columns(slots: npt.NDArray[np.int64], union: npt.NDArray[np.int64], device: torch.device) -> Tensor:
    """Where some slots stand among all that are scored, both ascending."""
    if len(slots) == len(union):
        return torch.arange(len(union), device=device)
    return torch.from_numpy(np.searchsorted(union, slots)).to(device)
