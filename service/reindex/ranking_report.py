"""The report before a switch: stored detections as queries against the whole gallery, under both models."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.checkpoint import Checkpoint
from model.gallery_scoring import choose_scorer, position_major
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.precision import choose_precision
from service.records import DetectionMetadata
from service.reindex.ranking_changes import RankingChanges, compare_rankings
from service.storage.record_encoding import DamagedRecord
from service.storage.reindex_store import ReindexStore

# Maps held at a time, of each model: about 12 MiB.
_MAPS_TOGETHER = 256


class NothingToCompare(RuntimeError):  # noqa: N818 - a state that the operator is told of
    """There are no maps of both models, or not enough of them."""


@dataclass(frozen=True, slots=True)
class RankingReport:
    """How rankings change.

    Attributes:
        detections: in the gallery.
        compared: those with a map of both models; they are queries and gallery of the report.
    """

    old_fingerprint: str
    new_fingerprint: str
    detections: int
    compared: int
    seed: int
    changes: RankingChanges


@dataclass(frozen=True, slots=True)
class _BothMaps:
    metadata: DetectionMetadata
    old: npt.NDArray[np.float16]
    new: npt.NDArray[np.float16]


class _Model:
    """One model and its scores, as the service computes them on this device."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        precision = choose_precision(device.type)
        self.fingerprint = checkpoint.fingerprint
        self._device = device
        self._dtype = precision.storage
        matcher = FoldedMatcher.of(checkpoint.matcher, checkpoint.config, device)
        self._scorer = choose_scorer(matcher, checkpoint.config.channels, precision)

    def maps(self, feature_maps: Sequence[npt.NDArray[np.float16]]) -> Tensor:
        return position_major(torch.from_numpy(np.stack(feature_maps))).to(self._device, self._dtype)

    def score(self, query_maps: Tensor, feature_maps: Sequence[npt.NDArray[np.float16]]) -> Tensor:
        with torch.inference_mode():
            return self._scorer.score(query_maps, self.maps(feature_maps)).cpu()


def report_rankings(
    store: ReindexStore,
    old: Checkpoint,
    new: Checkpoint,
    device: torch.device,
    report: Callable[[int, int], None],
    *,
    num_queries: int,
    seed: int,
) -> RankingReport:
    """Compares both models on the maps that the store has of them: before the switch, at best after the whole reindex.

    Holds the queries' maps, a block of the gallery's, and the scores [q, g] of both models.

    Args:
        store: opened; its service may run.
        old: the model that the gallery is of.
        new: the model of the reindex.
        device: where scores are computed.
        report: called with how many detections were scored, and of how many.
        num_queries: at most; drawn without repetition.
        seed: of the draw.

    Raises:
        NothingToCompare: with what to do.
    """
    models = _Model(old, device), _Model(new, device)
    _require_both(store, models[0].fingerprint, models[1].fingerprint)
    metadata = store.list_metadata(lambda _id, _reason: None)
    comparable = [each for each in metadata if _both_maps(store, each, models) is not None]
    drawn = random.Random(seed).sample(comparable, min(num_queries, len(comparable)))
    queries = [both for each in drawn if (both := _both_maps(store, each, models)) is not None]
    if len(comparable) < 2 or not queries:
        raise NothingToCompare(
            f"{len(comparable)} of {len(metadata)} detections have a feature map of both models, at least 2 must: "
            "`qaconv-service reindex` makes them"
        )
    gallery, old_logits, new_logits = _score(store, queries, comparable, models, report)
    # A query that was erased while this ran is no longer anybody's to report on.
    there = {each.detection_id for each in gallery}
    rows = [row for row, query in enumerate(queries) if query.metadata.detection_id in there]
    if not rows or len(gallery) < 2:
        raise NothingToCompare("the detections were erased while they were compared: try again")
    changes = compare_rankings([queries[row].metadata for row in rows], gallery, old_logits[rows], new_logits[rows])
    return RankingReport(models[0].fingerprint, models[1].fingerprint, len(metadata), len(gallery), seed, changes)


def _require_both(store: ReindexStore, old: str, new: str) -> None:
    model = store.model
    if model.fingerprint not in {None, old}:
        raise NothingToCompare(
            f"the gallery is of model {model.fingerprint}, not of {old}: name its checkpoint with --old-checkpoint. "
            "After a switch the old feature maps are gone, and there is nothing to compare"
        )
    if model.reindexing_to != new:
        made_for = "none was begun" if model.reindexing_to is None else f"the one begun is for {model.reindexing_to}"
        raise NothingToCompare(f"there is no reindex for model {new}, {made_for}: run `qaconv-service reindex` first")


def _both_maps(store: ReindexStore, metadata: DetectionMetadata, models: "tuple[_Model, _Model]") -> _BothMaps | None:
    """None where the detection lacks one of the maps, was erased or was replaced."""
    old, new = models
    if metadata.model_fingerprint != old.fingerprint:
        return None
    try:
        old_map = store.get_feature_map(metadata.detection_id)
    except DamagedRecord:
        return None
    reindexed = store.get_fresh(metadata.detection_id, new.fingerprint)
    return None if old_map is None or reindexed is None else _BothMaps(metadata, old_map, reindexed.feature_map)


def _score(
    store: ReindexStore,
    queries: Sequence[_BothMaps],
    comparable: Sequence[DetectionMetadata],
    models: "tuple[_Model, _Model]",
    report: Callable[[int, int], None],
) -> tuple[list[DetectionMetadata], Tensor, Tensor]:
    """The gallery as it was found, and the logits [q, g] of the old and of the new model."""
    old, new = models
    old_queries, new_queries = old.maps([each.old for each in queries]), new.maps([each.new for each in queries])
    gallery: list[DetectionMetadata] = []
    old_logits, new_logits = [torch.empty(len(queries), 0)], [torch.empty(len(queries), 0)]
    for start in range(0, len(comparable), _MAPS_TOGETHER):
        part = comparable[start : start + _MAPS_TOGETHER]
        block = [both for each in part if (both := _both_maps(store, each, models)) is not None]
        if block:
            gallery += [each.metadata for each in block]
            old_logits.append(old.score(old_queries, [each.old for each in block]))
            new_logits.append(new.score(new_queries, [each.new for each in block]))
        report(min(start + _MAPS_TOGETHER, len(comparable)), len(comparable))
    return gallery, torch.cat(old_logits, dim=1), torch.cat(new_logits, dim=1)
