"""The values that the service stores, looks up and passes between its layers.

Times are integer microseconds since the Unix epoch, UTC: exact in int64, and exact as the float64 score of a
Redis sorted set for every time that the service accepts (below 2**53 microseconds, the year 2255).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MICROSECONDS_PER_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class DetectionMetadata:
    """What is known of one detection besides its pixels and its feature map."""

    detection_id: str
    camera_id: str
    timestamp_us: int
    track_id: str | None
    person_id: str | None
    image_width: int
    image_height: int
    image_media_type: str
    model_fingerprint: str
    created_at_us: int


@dataclass(frozen=True, slots=True)
class RequestWarning:
    """Something in a request that is probably not meant; it was answered all the same.

    Attributes:
        code: `picture_is_no_crop` or `unknown_camera`.
        detail: what it is, and what to do, for a person.
    """

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class DetectionRecord:
    """A whole detection, as the disk keeps it: the truth from which all else can be rebuilt.

    Attributes:
        feature_map: float16 [d, h, w], ℓ2-normalised over d at every location.
        crop: the image file as it was sent.
    """

    metadata: DetectionMetadata
    feature_map: npt.NDArray[np.float16]
    crop: bytes


@dataclass(frozen=True, slots=True)
class DetectionFilter:
    """Which detections are meant. What is None does not restrict.

    Times are half open, `time_from_us <= timestamp_us < time_to_us`, so that adjacent windows share no detection.
    `created_before_us` is when they were stored at the latest, exclusively. Of `camera_ids` it may be any; none of them
    does not restrict.
    """

    camera_id: str | None = None
    track_id: str | None = None
    person_id: str | None = None
    time_from_us: int | None = None
    time_to_us: int | None = None
    created_before_us: int | None = None
    camera_ids: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """True when nothing is restricted, so that every detection is meant."""
        return self == DetectionFilter()

    def matches(self, metadata: DetectionMetadata) -> bool:
        """Whether a detection is one of those meant."""
        return (
            self.camera_id in (None, metadata.camera_id)
            and (not self.camera_ids or metadata.camera_id in self.camera_ids)
            and self.track_id in (None, metadata.track_id)
            and self.person_id in (None, metadata.person_id)
            and (self.time_from_us is None or metadata.timestamp_us >= self.time_from_us)
            and (self.time_to_us is None or metadata.timestamp_us < self.time_to_us)
            and (self.created_before_us is None or metadata.created_at_us < self.created_before_us)
        )


@dataclass(frozen=True, slots=True)
class DetectionPage:
    """One page of a listing, ordered by timestamp, then ID; `next_cursor` is None on the last page."""

    detections: tuple[DetectionMetadata, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class CandidateFilter:
    """Which detections a search compares with: its gallery, for scores and pivots alike. Times are half open.

    Attributes:
        camera_ids: only these cameras; empty means all.
        exclude_camera_ids: not these cameras.
    """

    camera_ids: frozenset[str] = frozenset()
    exclude_camera_ids: frozenset[str] = frozenset()
    time_from_us: int | None = None
    time_to_us: int | None = None

    def admits_camera(self, camera_id: str) -> bool:
        """Whether detections of a camera can be candidates."""
        return (not self.camera_ids or camera_id in self.camera_ids) and camera_id not in self.exclude_camera_ids
