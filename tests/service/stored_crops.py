"""Ingesting drawn crops and searching for them, and whether disk, Redis and device say the same."""

from dataclasses import replace

import numpy as np
import torch

from model.gallery_scoring.int8_maps import quantise
from model.temporal_lifting import LiftingParameters
from service.components import Components
from service.ingest.ingest_detection import IngestedDetection, NewDetection, ingest_detection
from service.records import (
    MICROSECONDS_PER_SECOND,
    CandidateFilter,
    DetectionFilter,
    DetectionMetadata,
    DetectionRecord,
)
from service.search.search_records import SearchQuery
from tests.service.drawn_crops import crop_file

START_US = 1_790_000_000_000_000
_EVERYTHING = DetectionFilter()
_ANYONE = CandidateFilter()


def at(seconds: float) -> int:
    """A time in microseconds, some seconds after a fixed one."""
    return START_US + round(seconds * MICROSECONDS_PER_SECOND)


async def ingest(
    components: Components,
    detection_id: str,
    seed: int = 0,
    camera_id: str = "c1",
    seconds: float = 0,
    track_id: str | None = None,
    person_id: str | None = None,
) -> IngestedDetection:
    detection = NewDetection(detection_id, camera_id, at(seconds), track_id, person_id, crop_file(seed))
    return await ingest_detection(components, detection)


def search_for(
    image: bytes | None = None,
    detection_id: str | None = None,
    camera_id: str | None = None,
    seconds: float | None = None,
    **changes: object,
) -> SearchQuery:
    """A query with the contract's defaults, but for many matches and no correspondences."""
    query = SearchQuery(
        image=image,
        detection_id=detection_id,
        camera_id=camera_id,
        timestamp_us=None if seconds is None else at(seconds),
        limit=1000,
        group_by="detection",
        candidates=CandidateFilter(),
        min_score=None,
        temporal_lifting="auto",
        lifting=LiftingParameters(),
        rerank=False,
        num_correspondences=0,
        min_similarity=0.5,
        include_pivots=False,
    )
    return replace(query, **changes)


def draw_record(components: Components, detection_id: str, seed: int = 0, **changes: object) -> DetectionRecord:
    """A record of the components' model, with a made-up map, that needs no extractor."""
    config = components.checkpoint.config
    shape = config.channels, config.map_height, config.map_width
    values = np.random.default_rng(seed).standard_normal(shape)
    feature_map = (values / np.linalg.norm(values, axis=0)).astype(np.float16)
    metadata = DetectionMetadata(
        detection_id=detection_id,
        camera_id="c1",
        timestamp_us=at(seed),
        track_id=None,
        person_id=None,
        image_width=40,
        image_height=80,
        image_media_type="image/jpeg",
        model_fingerprint=components.fingerprint,
        created_at_us=at(0),
    )
    return DetectionRecord(replace(metadata, **changes), feature_map, b"crop %d" % seed)


async def check_agreement(components: Components) -> list[str]:
    """Disk, Redis and device hold the same detections with the same metadata and maps; returns their IDs."""
    on_disk = {each.detection_id: each for each in components.store.iterate_metadata()}
    page = await components.index.list_page(_EVERYTHING, 100_000)
    assert {each.detection_id: each for each in page.detections} == on_disk
    assert await components.index.get(list(on_disk)) == list(on_disk.values())
    counted = {summary.camera_id: summary.count for summary in await components.index.camera_summary()}
    cameras = [each.camera_id for each in on_disk.values()]
    assert counted == {camera: cameras.count(camera) for camera in cameras}
    _check_device(components, {key: each for key, each in on_disk.items() if _is_comparable(components, each)})
    return sorted(on_disk)


def _is_comparable(components: Components, metadata: DetectionMetadata) -> bool:
    return metadata.model_fingerprint == components.fingerprint


def _check_device(components: Components, on_disk: dict[str, DetectionMetadata]) -> None:
    table = components.slots
    slots = table.candidates(_ANYONE, None)
    assert sorted(table.detection_ids[slots]) == sorted(on_disk)
    assert len(table._slot_of) == len(slots)
    for slot, lies_there in zip(slots.tolist(), components.gallery.exact.at(slots.tolist()), strict=True):
        metadata = on_disk[table.detection_ids[slot]]
        assert table.camera_ids[table.cameras[slot]] == metadata.camera_id
        assert table.timestamps_us[slot] == metadata.timestamp_us
        assert (table.track_ids[slot], table.person_ids[slot]) == (metadata.track_id, metadata.person_id)
        feature_map = components.store.get_feature_map(metadata.detection_id)
        assert feature_map is not None
        wanted = components.gallery.position_major(feature_map)
        assert torch.equal(lies_there, wanted)
        if components.gallery.coarse is not None:
            rounded, lies_rounded = quantise(wanted[None]), components.gallery.coarse.queries_at([slot]).maps
            assert torch.equal(lies_rounded.values, rounded.values)
            assert torch.equal(lies_rounded.scales, rounded.scales)
