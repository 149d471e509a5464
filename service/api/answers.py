"""What the service answers about single detections, the model and the gallery, member by member."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue

from model.config import ModelConfig
from service.api.problems import Problem
from service.describe_gallery import GalleryDescription
from service.inference.image_decoding import find_warnings
from service.records import DetectionMetadata, RequestWarning
from service.rfc_3339 import format_moment
from service.storage.erasure_receipts import ErasureReceipt

MOMENT_FORMAT: dict[str, JsonValue] = {"format": "date-time", "examples": ["2026-11-20T10:00:00.000000Z"]}


class ImageSize(BaseModel):
    """Pixels of an image, upright: turned as its EXIF orientation says."""

    width: int
    height: int


class DetectionAnswer(BaseModel):
    """A stored detection."""

    detection_id: str
    camera_id: str
    timestamp: str = Field(json_schema_extra=MOMENT_FORMAT)
    track_id: str | None
    person_id: str | None
    image: ImageSize
    model_fingerprint: str
    created_at: str = Field(json_schema_extra=MOMENT_FORMAT)

    @classmethod
    def of(cls, metadata: DetectionMetadata) -> "DetectionAnswer":
        """The answer for a detection."""
        return cls(
            detection_id=metadata.detection_id,
            camera_id=metadata.camera_id,
            timestamp=format_moment(metadata.timestamp_us),
            track_id=metadata.track_id,
            person_id=metadata.person_id,
            image=ImageSize(width=metadata.image_width, height=metadata.image_height),
            model_fingerprint=metadata.model_fingerprint,
            created_at=format_moment(metadata.created_at_us),
        )


class WarningAnswer(BaseModel):
    """Something in a request that is probably not meant; it was answered all the same."""

    code: Literal["picture_is_no_crop", "unknown_camera"]
    detail: str = Field(description="What it is and what to do, for a person.")


def describe_warnings(warnings: Sequence[RequestWarning]) -> list[WarningAnswer]:
    """The answer's member `warnings`."""
    return [WarningAnswer.model_validate(asdict(each)) for each in warnings]


class IngestAnswer(DetectionAnswer):
    """A detection that was stored now."""

    warnings: list[WarningAnswer] = Field(description="Mostly empty.")

    @classmethod
    def of_ingested(cls, metadata: DetectionMetadata) -> "IngestAnswer":
        """The answer for a detection that was stored now."""
        warnings = describe_warnings(find_warnings(metadata.image_width, metadata.image_height))
        return cls(**DetectionAnswer.of(metadata).model_dump(), warnings=warnings)


class DetectionPageAnswer(BaseModel):
    """A page of a listing, ordered by timestamp, then ID."""

    detections: list[DetectionAnswer]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last.")


class StoredItem(BaseModel):
    """A detection of a batch that was stored: 201 new, 200 replaced."""

    detection_id: str
    status: int
    warnings: list[WarningAnswer] = Field(description="Mostly empty.")


class RefusedItem(BaseModel):
    """A detection of a batch that was not stored."""

    status: int
    problem: Problem


class BatchAnswer(BaseModel):
    """What became of each item, in the manifest's order."""

    results: list[StoredItem | RefusedItem]


class EraseAnswer(BaseModel):
    """How many detections were erased, and the receipt that will say when nothing of them is left."""

    erased: int
    receipt_id: str = Field(description="For GET /v1/erasures/{receipt_id}.")


class ErasureAnswer(BaseModel):
    """An erasure: complete when no byte of what was erased is left in the data file."""

    receipt_id: str
    erased: int
    requested_at: str = Field(json_schema_extra=MOMENT_FORMAT)
    completed_at: str | None = Field(json_schema_extra=MOMENT_FORMAT)
    state: Literal["pending", "complete"]

    @classmethod
    def of(cls, receipt: ErasureReceipt) -> "ErasureAnswer":
        """The answer for a receipt."""
        completed_at_us = receipt.completed_at_us
        return cls(
            receipt_id=receipt.receipt_id,
            erased=receipt.erased,
            requested_at=format_moment(receipt.requested_at_us),
            completed_at=None if completed_at_us is None else format_moment(completed_at_us),
            state="pending" if completed_at_us is None else "complete",
        )


class InputSize(BaseModel):
    """What crops are resized to, in pixels."""

    height: int
    width: int


class FeatureMapSize(BaseModel):
    """d, h and w."""

    channels: int
    height: int
    width: int

    @classmethod
    def of(cls, config: ModelConfig) -> "FeatureMapSize":
        """The size of a model's feature maps."""
        return cls(channels=config.channels, height=config.map_height, width=config.map_width)


class BackboneAnswer(BaseModel):
    """The residual network and the layer after which it is cut off."""

    name: str
    final_layer: str


class MatcherAnswer(BaseModel):
    """How feature maps are compared: the side s of the kernels, and the form of the head."""

    name: str
    kernel_size: int
    shared_head: bool


class ModelAnswer(BaseModel):
    """The model that serves."""

    name: str
    fingerprint: str = Field(description="SHA-256 of weights and config.")
    input: InputSize
    feature_map: FeatureMapSize
    backbone: BackboneAnswer
    matcher: MatcherAnswer
    training: dict[str, Any] = Field(description="How it was trained, as its checkpoint says.")
    accuracy: dict[str, Any] = Field(description="What was measured of it, as its checkpoint says.")


class CameraAnswer(BaseModel):
    """What there is of one camera."""

    camera_id: str
    count: int
    first_timestamp: str = Field(json_schema_extra=MOMENT_FORMAT)
    last_timestamp: str = Field(json_schema_extra=MOMENT_FORMAT)


class GalleryAnswer(BaseModel):
    """What the gallery holds and could hold."""

    size: int = Field(description="Detections that searches compare with.")
    capacity: int
    bytes_per_detection: int = Field(description="Of the device's memory.")
    device: str
    precision: str = Field(description="Number format of the maps that the first pass over the gallery reads.")
    exact_maps: str | None = Field(
        description="With int8, where the maps are that exact scores are computed from: device or disk."
    )
    other_model: int = Field(description="Stored detections whose feature map is of another model.")
    set_aside: int = Field(description="Damaged records that are kept on the disk and not served.")
    cameras: list[CameraAnswer]

    @classmethod
    def of(cls, gallery: GalleryDescription) -> "GalleryAnswer":
        """The answer for a gallery."""
        return cls(
            size=gallery.size,
            capacity=gallery.capacity,
            bytes_per_detection=gallery.bytes_per_detection,
            device=gallery.device,
            precision=gallery.precision,
            exact_maps=gallery.exact_maps,
            other_model=gallery.other_model,
            set_aside=gallery.set_aside,
            cameras=[
                CameraAnswer(
                    camera_id=camera.camera_id,
                    count=camera.count,
                    first_timestamp=format_moment(camera.first_timestamp_us),
                    last_timestamp=format_moment(camera.last_timestamp_us),
                )
                for camera in gallery.cameras
            ],
        )


class ClockAnswer(BaseModel):
    """The time by which ages are counted."""

    time: str = Field(description="What the service's clock says now.")
    doubt: str | None = Field(
        description="Why it is not believed, and what to do; null where it is. Meanwhile nothing is erased for its age."
    )


class LivenessAnswer(BaseModel):
    """The process serves."""

    status: str


class ReadinessAnswer(BaseModel):
    """The service can answer everything."""

    status: str
    warnings: list[str] | None = Field(default=None, description="What somebody should see to; left out where nothing.")
