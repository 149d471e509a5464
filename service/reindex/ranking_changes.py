"""How rankings differ between two models: what an operator looks at before a switch. Mathematics alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.retrieval_metrics import CropLabels, RetrievalMetrics, retrieval_metrics
from service.records import DetectionMetadata

TOP = 10


@dataclass(frozen=True, slots=True)
class QueryChange:
    """One query's ranking under both models. Ranks count from 1, the query itself left out.

    Attributes:
        detection_id: the query.
        old_best_id: the old model's best match.
        new_best_id: the new model's.
        new_rank_of_old_best: where the new model ranks the old best match.
        old_rank_of_new_best: the other way round.
        top_overlap: share of the ten best matches that both models have, 0 to 1; of all where there are fewer.
    """

    detection_id: str
    old_best_id: str
    new_best_id: str
    new_rank_of_old_best: int
    old_rank_of_new_best: int
    top_overlap: float


@dataclass(frozen=True, slots=True)
class RankingChanges:
    """What changed, over all queries.

    Attributes:
        same_best_share: queries whose best match is the same, 0 to 1.
        mean_top_overlap: mean of `QueryChange.top_overlap`.
        mean_new_rank_of_old_best: 1 where every best match stayed.
        old_metrics: against the person labels; None where no query has its person in another camera.
        new_metrics: likewise, for the same queries.
        queries: those that changed most come first.
    """

    same_best_share: float
    mean_top_overlap: float
    mean_new_rank_of_old_best: float
    old_metrics: RetrievalMetrics | None
    new_metrics: RetrievalMetrics | None
    queries: tuple[QueryChange, ...]


def compare_rankings(
    queries: Sequence[DetectionMetadata],
    gallery: Sequence[DetectionMetadata],
    old_logits: Tensor,
    new_logits: Tensor,
) -> RankingChanges:
    """Compares rankings of a gallery that contains the queries.

    Args:
        queries: q detections of the gallery.
        gallery: g ≥ 2 detections, ordered by ID: equal scores rank in that order, as in a search.
        old_logits: [q, g], larger is better.
        new_logits: [q, g].
    """
    column_of = {each.detection_id: column for column, each in enumerate(gallery)}
    changes = [
        _compare_one(column_of[query.detection_id], gallery, old_logits[row], new_logits[row])
        for row, query in enumerate(queries)
    ]
    changes.sort(key=lambda change: (change.top_overlap, -change.new_rank_of_old_best, change.detection_id))
    return RankingChanges(
        same_best_share=float(np.mean([change.old_best_id == change.new_best_id for change in changes])),
        mean_top_overlap=float(np.mean([change.top_overlap for change in changes])),
        mean_new_rank_of_old_best=float(np.mean([change.new_rank_of_old_best for change in changes])),
        old_metrics=_metrics(queries, gallery, old_logits),
        new_metrics=_metrics(queries, gallery, new_logits),
        queries=tuple(changes),
    )


def _compare_one(own: int, gallery: Sequence[DetectionMetadata], old: Tensor, new: Tensor) -> QueryChange:
    old_order, new_order = _ranked(old, own), _ranked(new, own)
    common = set(old_order[:TOP]) & set(new_order[:TOP])
    return QueryChange(
        detection_id=gallery[own].detection_id,
        old_best_id=gallery[old_order[0]].detection_id,
        new_best_id=gallery[new_order[0]].detection_id,
        new_rank_of_old_best=1 + new_order.index(old_order[0]),
        old_rank_of_new_best=1 + old_order.index(new_order[0]),
        top_overlap=len(common) / min(TOP, len(old_order)),
    )


def _ranked(logits: Tensor, own: int) -> list[int]:
    order: list[int] = logits.argsort(descending=True, stable=True).tolist()
    order.remove(own)
    return order


def _metrics(
    queries: Sequence[DetectionMetadata], gallery: Sequence[DetectionMetadata], logits: Tensor
) -> RetrievalMetrics | None:
    """Rank-1 and mAP of the queries with a person; the query's own crop counts neither way, being of its own camera."""
    labelled = [row for row, query in enumerate(queries) if query.person_id is not None]
    persons = {each.person_id for each in gallery} - {None}
    numbers = {person: number for number, person in enumerate(sorted(map(str, persons)))}
    cameras = {camera: number for number, camera in enumerate(sorted({each.camera_id for each in gallery}))}

    def labels(crops: Sequence[DetectionMetadata]) -> CropLabels:
        return CropLabels(
            torch.tensor([-1 if each.person_id is None else numbers[each.person_id] for each in crops]),
            torch.tensor([cameras[each.camera_id] for each in crops]),
        )

    try:
        return retrieval_metrics(logits[labelled], labels([queries[row] for row in labelled]), labels(gallery))
    except ValueError:
        return None  # No query has its person in another camera.
