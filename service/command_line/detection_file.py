"""A detection on this machine's disk, ready to be sent."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DetectionFile:
    """An image file and what is known of it.

    Attributes:
        name: how the user knows it: the path relative to the folder or to the CSV.
        timestamp: RFC 3339 or Unix seconds, as the service takes it; left as text so that nothing is rounded.
    """

    name: str
    path: Path
    detection_id: str
    camera_id: str
    timestamp: str
    track_id: str | None = None
    person_id: str | None = None
