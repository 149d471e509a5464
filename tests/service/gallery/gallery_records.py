"""Detections with made-up feature maps, for tests of the gallery."""

from dataclasses import replace

import numpy as np
import torch

from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, GalleryScorer
from model.gallery_scoring.interface import FoldedMatcher, Int8Scorer
from model.query_adaptive_convolution import FoldedHead, QueryAdaptiveConvolution
from reference.crowd_maps import draw_crowd
from reference.trained_head import train_head
from service.gallery.coarse_maps import BYTES_BESIDE_VALUES, CoarseMaps
from service.gallery.device_gallery import DeviceGallery
from service.gallery.gallery_memory import GalleryMemory
from service.gallery.map_blocks import MapBlocks
from service.gallery.slot_table import SlotTable
from service.gallery.stored_maps import ReadMap, StoredMaps
from service.inference.feature_extraction import FeatureMap
from service.records import DetectionMetadata, DetectionRecord

CPU = torch.device("cpu")
CHANNELS, HEIGHT, WIDTH = 16, 6, 2
LOCATIONS = HEIGHT * WIDTH


def draw_maps(count: int, seed: int = 1) -> list[FeatureMap]:
    return list(draw_crowd(count, 5, HEIGHT, WIDTH, CHANNELS, seed).numpy().astype(np.float16))


def record(
    detection_id: str,
    feature_map: FeatureMap,
    camera_id: str = "c1",
    timestamp_us: int = 0,
    track_id: str | None = None,
    person_id: str | None = None,
) -> DetectionRecord:
    metadata = DetectionMetadata(
        detection_id=detection_id,
        camera_id=camera_id,
        timestamp_us=timestamp_us,
        track_id=track_id,
        person_id=person_id,
        image_width=60,
        image_height=160,
        image_media_type="image/jpeg",
        model_fingerprint="f" * 64,
        created_at_us=1,
    )
    return DetectionRecord(metadata, feature_map, b"crop")


def build_gallery(
    capacity: int, dtype: torch.dtype = torch.float32, scorer: GalleryScorer | None = None
) -> DeviceGallery:
    """All scores exact, and multiplied in float32."""
    memory = GalleryMemory(capacity, LOCATIONS * CHANNELS * dtype.itemsize, CPU)
    blocks = MapBlocks(memory, LOCATIONS, CHANNELS, dtype)
    scorer = scorer or BlockedScorer(build_matcher(), torch.float32)
    return DeviceGallery(SlotTable(capacity), scorer, blocks, None, CPU)


def build_coarse_gallery(
    capacity: int, scorer: Int8Scorer | None = None, read: ReadMap | None = None, device: torch.device = CPU
) -> DeviceGallery:
    """A first pass over int8 maps, and exact scores from float16 ones on the device, or from what is read."""
    matcher, table = matcher_on(device), SlotTable(capacity)
    memory = GalleryMemory(capacity, 3 * LOCATIONS * CHANNELS + BYTES_BESIDE_VALUES, device)
    scorer = scorer or BlockedScorer(matcher, torch.float32)
    exact = (
        MapBlocks(memory, LOCATIONS, CHANNELS, torch.float16)
        if read is None
        else StoredMaps(read, table.detection_ids, torch.float16, device)
    )
    return DeviceGallery(table, scorer, exact, CoarseMaps(memory, CHANNELS, matcher, scorer), device)


def put(gallery: DeviceGallery, records: list[DetectionRecord]) -> None:
    for each in records:
        gallery.table.reserve(each.metadata.detection_id)
    assert gallery.put(records) == [None] * len(records)


def build_matcher() -> FoldedMatcher:
    config = ModelConfig(8 * HEIGHT, 8 * WIDTH, final_layer="layer2", channels=CHANNELS)
    convolution = QueryAdaptiveConvolution(config).eval()
    train_head(convolution.head, seed=7)
    return FoldedMatcher.of(convolution, config, CPU)


def matcher_on(device: torch.device) -> FoldedMatcher:
    matcher = build_matcher()
    query_weights, gallery_weights, bias = matcher.head
    return replace(matcher, head=FoldedHead(query_weights.to(device), gallery_weights.to(device), bias))
