"""Detections with made-up feature maps, for tests of the gallery."""

import numpy as np

from model.config import ModelConfig
from model.gallery_scoring.interface import FoldedMatcher
from model.query_adaptive_convolution import QueryAdaptiveConvolution
from reference.crowd_maps import draw_crowd
from reference.trained_head import train_head
from service.inference.feature_extraction import FeatureMap
from service.records import DetectionMetadata, DetectionRecord

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


def build_matcher() -> FoldedMatcher:
    config = ModelConfig(8 * HEIGHT, 8 * WIDTH, final_layer="layer2", channels=CHANNELS)
    convolution = QueryAdaptiveConvolution(config).eval()
    train_head(convolution.head, seed=7)
    return FoldedMatcher.of(convolution, config, "cpu")
