"""Detections made up for tests of storage."""

from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest

from service.records import DetectionMetadata, DetectionRecord
from service.storage.metadata.metadata_index import MetadataIndex

KEY_PREFIX = "test[1]*:"  # with the characters that a glob pattern gives a meaning


MakeMetadata = Callable[..., DetectionMetadata]


@pytest.fixture
def make_metadata() -> MakeMetadata:
    def make(
        detection_id: str,
        camera_id: str = "c1",
        timestamp_us: int = 1_790_000_000_000_000,
        track_id: str | None = None,
        person_id: str | None = None,
    ) -> DetectionMetadata:
        return DetectionMetadata(
            detection_id=detection_id,
            camera_id=camera_id,
            timestamp_us=timestamp_us,
            track_id=track_id,
            person_id=person_id,
            image_width=60,
            image_height=160,
            image_media_type="image/jpeg",
            model_fingerprint="f" * 64,
            created_at_us=1_790_000_000_000_001,
        )

    return make


@pytest.fixture
def make_record(make_metadata: MakeMetadata) -> Callable[..., DetectionRecord]:
    """Records whose feature map and crop follow from the ID, so that a mix-up shows."""

    def make(detection_id: str, crop_bytes: int = 3000) -> DetectionRecord:
        seed = sum(detection_id.encode())
        feature_map = np.random.default_rng(seed).standard_normal((128, 24, 8)).astype(np.float16)
        crop = (detection_id.encode() * (crop_bytes // len(detection_id) + 1))[:crop_bytes]
        return DetectionRecord(make_metadata(detection_id), feature_map, crop)

    return make


@pytest.fixture
async def index(redis_url: str) -> AsyncIterator[MetadataIndex]:
    index = MetadataIndex.connect(redis_url, KEY_PREFIX)
    yield index
    await index.close()
