"""Reads entries of the stream, as strictly as the form of a PUT: the same fields, rules and messages."""

from collections.abc import Callable
from typing import Any

from pydantic import Field

from service.api.detection_requests import DetectionForm
from service.api.fields import Identifier, UploadedFile
from service.api.validation import validate_fields
from service.errors import FieldError, LimitExceeded
from service.ingest.ingest_detection import NewDetection
from service.storage.stream_entry import StreamEntry


class StreamEntryFields(DetectionForm):
    """One detection, with what a PUT has in its path and its header."""

    detection_id: Identifier | None = None
    traceparent: str | None = Field(default=None, max_length=512, description="Of the W3C's Trace Context.")


def stream_entry_reader(max_body_bytes: int) -> Callable[[StreamEntry], NewDetection]:
    """What turns an entry into a detection.

    Args:
        max_body_bytes: the most that an entry may have, as a request's body.

    Returns:
        A function that raises InvalidField, which names every field that is missing, unknown, repeated or out of
        range, and LimitExceeded.
    """

    def read(entry: StreamEntry) -> NewDetection:
        size = entry.size_bytes()
        if size > max_body_bytes:
            raise LimitExceeded(f"the entry has {size} bytes, at most {max_body_bytes} are taken: send a smaller image")
        values, errors = _collect(entry)
        fields = validate_fields(StreamEntryFields, values, errors)
        return NewDetection(
            detection_id=fields.detection_id,
            camera_id=fields.camera_id,
            timestamp_us=fields.timestamp,
            track_id=fields.track_id,
            person_id=fields.person_id,
            image=fields.image.content,
        )

    return read


def _collect(entry: StreamEntry) -> tuple[dict[str, Any], list[FieldError]]:
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for raw_name, value in entry.fields:
        name = raw_name.decode(errors="backslashreplace")
        if name not in StreamEntryFields.model_fields:
            errors.append(FieldError(name, "is not a field of this call"))
        elif name in values:
            errors.append(FieldError(name, "was sent more than once"))
        elif name == "image":
            values[name] = UploadedFile(name, value)
        else:
            try:
                values[name] = value.decode()
            except UnicodeDecodeError:
                errors.append(FieldError(name, "is not text in UTF-8"))
                values[name] = None
    return values, errors
