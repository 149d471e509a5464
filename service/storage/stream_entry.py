"""What the stream of detections holds: entries as camera workers append them, and why an entry was set aside."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from service.errors import ServiceError

_LONGEST_SHOWN_BYTES = 128
# Fields that help whoever looks for the cause, and their names among the reasons.
_CARRIED_OVER = ("camera_id", "detection_id", "traceparent")


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One entry, as it was handed to a consumer.

    Attributes:
        entry_id: its ID in the stream, `milliseconds-number`.
        fields: names and values as they were appended; a name may stand there twice.
        deliveries: how often it was handed out, this time included.
    """

    entry_id: str
    fields: tuple[tuple[bytes, bytes], ...]
    deliveries: int = 1

    @classmethod
    def parse(cls, answer: Sequence[Any], deliveries: int = 1) -> Self:
        """An entry as Redis answers it; one that was deleted meanwhile has no fields."""
        entry_id, values = answer
        pairs = values or []
        return cls(entry_id.decode(), tuple(zip(pairs[::2], pairs[1::2], strict=True)), deliveries)

    def size_bytes(self) -> int:
        """Of all its names and values."""
        return sum(len(name) + len(value) for name, value in self.fields)

    def find(self, name: str) -> bytes | None:
        """The first value of a field."""
        return next((value for found, value in self.fields if found == name.encode()), None)


def describe_rejection(entry: StreamEntry, error: ServiceError) -> dict[str, str | int]:
    """The fields of the entry that says why another was set aside.

    The picture is not among them, for nobody would erase it there: its size and SHA-256 tell a camera worker which
    one it was.
    """
    image = entry.find("image")
    reason: dict[str, str | int] = {
        "entry_id": entry.entry_id,
        "status": error.status,
        "problem": error.slug,
        "detail": error.detail,
        "deliveries": entry.deliveries,
    }
    for name in _CARRIED_OVER:
        if (text := _readable(entry.find(name))) is not None:
            reason[name] = text
    if image is not None:
        reason |= {"image_bytes": len(image), "image_sha256": sha256(image).hexdigest()}
    return reason


def _readable(value: bytes | None) -> str | None:
    """A value as text, where it is a short one of visible characters."""
    if value is None or not 0 < len(value) <= _LONGEST_SHOWN_BYTES or not value.isascii():
        return None
    text = value.decode("ascii")
    return text if text.isprintable() else None
