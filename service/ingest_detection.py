"""Ingest, the whole way of one crop: decode → feature map → disk → Redis → device."""

import os
import time
from dataclasses import dataclass
from uuid import UUID

from service.components import Components
from service.records import DetectionMetadata, DetectionRecord
from service.stage_timing import ingest_stages


@dataclass(frozen=True, slots=True)
class NewDetection:
    """A crop as a camera sent it; without an ID it gets one."""

    detection_id: str | None
    camera_id: str
    timestamp_us: int
    track_id: str | None
    person_id: str | None
    image: bytes


@dataclass(frozen=True, slots=True)
class IngestedDetection:
    """What was stored, and whether there was nothing of that ID before."""

    metadata: DetectionMetadata
    is_new: bool


async def ingest_detection(components: Components, detection: NewDetection) -> IngestedDetection:
    """Stores a detection. When this returns it is on disk and the next search sees it; the same again is harmless.

    Raises:
        UnreadableImage, UnsupportedImage, LimitExceeded, InvalidField: the image; nothing is stored.
        StorageFull: the gallery or the disk; nothing is stored.
        QueueFull, Unavailable: try again.
    """
    stages = ingest_stages(components.metrics)
    with stages.labels("decode").time():
        crop = await components.decoder.decode(detection.image)
    with stages.labels("extract").time():
        feature_map = await components.worker.run(components.operations.extract, crop.pixels)
    now_us = time.time_ns() // 1000
    metadata = DetectionMetadata(
        detection_id=detection.detection_id or create_detection_id(now_us),
        camera_id=detection.camera_id,
        timestamp_us=detection.timestamp_us,
        track_id=detection.track_id,
        person_id=detection.person_id,
        image_width=crop.width,
        image_height=crop.height,
        image_media_type=crop.media_type,
        model_fingerprint=components.fingerprint,
        created_at_us=now_us,
    )
    is_new = await components.writer.put(DetectionRecord(metadata, feature_map, detection.image))
    return IngestedDetection(metadata, is_new)


def create_detection_id(now_us: int) -> str:
    """A UUID of version 7 (RFC 9562, Section 5.7): 48 bits of Unix milliseconds, then random bits."""
    random_bits = int.from_bytes(os.urandom(10))
    value = (now_us // 1000) << 80 | random_bits
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return str(UUID(int=value))
