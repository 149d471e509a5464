"""Ingest, the whole way of one crop: decode → feature map → disk → Redis → device."""

from dataclasses import dataclass

from service.clock import Clock, system_clock
from service.components import Components
from service.detection_writer import BeforeReplacing
from service.erasure.retention_limits import require_within_retention
from service.observability.stage_timing import ingest_stages
from service.records import DetectionMetadata, DetectionRecord
from service.time_ordered_id import create_time_ordered_id


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


async def ingest_detection(
    components: Components,
    detection: NewDetection,
    before_replacing: BeforeReplacing | None = None,
    clock: Clock = system_clock,
) -> IngestedDetection:
    """Stores a detection. When this returns it is on disk and the next search sees it; the same again is harmless.

    Args:
        components: of the running service.
        detection: what a camera sent.
        before_replacing: asked before a detection that is stored already is replaced (`DetectionWriter.put`).
        clock: what time it is.

    Raises:
        UnreadableImage, UnsupportedImage, LimitExceeded, InvalidField: the image, or a timestamp outside what is kept;
            nothing is stored.
        StorageFull: the gallery or the disk; nothing is stored.
        QueueFull, Unavailable: try again.
    """
    require_within_retention(components.settings, detection.camera_id, detection.timestamp_us, clock())
    stages = ingest_stages(components.metrics)
    with stages.labels("decode").time():
        crop = await components.decoder.decode(detection.image)
    with stages.labels("extract").time():
        feature_map = await components.worker.run(components.operations.extract, crop.pixels)
    now_us = clock()
    metadata = DetectionMetadata(
        detection_id=detection.detection_id or create_time_ordered_id(now_us),
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
    kept_crop = detection.image if components.settings.store_crops else b""
    is_new = await components.writer.put(DetectionRecord(metadata, feature_map, kept_crop), before_replacing)
    return IngestedDetection(metadata, is_new)
