"""How long detections are kept, and which are too old, or too far ahead of time, to be taken at all.

Age counts from the detection's timestamp: what matters is when the person was there. A timestamp that lies in the
future says nothing of that, and age counts from when the detection was stored for as long as it does.
"""

from collections.abc import Iterator

from service.errors import FieldError, InvalidField
from service.records import MICROSECONDS_PER_SECOND, DetectionFilter
from service.settings import Settings

# Clocks of cameras are a little wrong. What is further ahead would outlive its age by as much.
MAX_AHEAD_SECONDS = 300

# No camera's ID: of damaged records that do not say any more which camera they are of.
UNKNOWN_CAMERA = ""


def has_retention(settings: Settings) -> bool:
    """Whether any detection is ever too old."""
    return settings.retention_seconds is not None or bool(settings.camera_retention_seconds)


def retention_seconds_of(settings: Settings, camera_id: str) -> int | None:
    """The age at which a camera's detections are erased; None if never. The camera's own goes before that of all.

    Of an unknown camera it is the shortest that any has.
    """
    if camera_id == UNKNOWN_CAMERA:
        ages = [*settings.camera_retention_seconds.values(), settings.retention_seconds]
        return min((age for age in ages if age is not None), default=None)
    return settings.camera_retention_seconds.get(camera_id, settings.retention_seconds)


def outlived_filters(settings: Settings, camera_id: str, now_us: int) -> Iterator[DetectionFilter]:
    """Which detections of a camera have reached their age."""
    limit_seconds = retention_seconds_of(settings, camera_id)
    if limit_seconds is None:
        return
    end_us = now_us - limit_seconds * MICROSECONDS_PER_SECOND + 1
    yield DetectionFilter(camera_id=camera_id, time_to_us=end_us)
    yield DetectionFilter(camera_id=camera_id, time_from_us=now_us + 1, created_before_us=end_us)


def require_within_retention(settings: Settings, camera_id: str, timestamp_us: int, now_us: int) -> None:
    """Refuses a detection that would be erased at once, and one that would be kept longer than its age.

    Raises:
        InvalidField: says the age, the limit and what to do.
    """
    limit_seconds = retention_seconds_of(settings, camera_id)
    if limit_seconds is None:
        return
    age_seconds = (now_us - timestamp_us) / MICROSECONDS_PER_SECOND
    if age_seconds >= limit_seconds:
        raise _wrong_timestamp(
            f"is {age_seconds:.0f} s ago, and detections of camera {camera_id} are kept for {limit_seconds} s: do not "
            "send it, or raise QACONV_RETENTION_SECONDS or QACONV_CAMERA_RETENTION_SECONDS"
        )
    if age_seconds < -MAX_AHEAD_SECONDS:
        raise _wrong_timestamp(
            f"is {-age_seconds:.0f} s in the future, at most {MAX_AHEAD_SECONDS} s are taken where detections are kept "
            f"for a limited time ({limit_seconds} s for camera {camera_id}): set the camera's clock right"
        )


def _wrong_timestamp(message: str) -> InvalidField:
    return InvalidField(f"timestamp {message}", (FieldError("timestamp", message),))
