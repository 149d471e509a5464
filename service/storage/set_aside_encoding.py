"""How a damaged record that was set aside is kept: why and when, and its bytes as they were found."""

import json
import struct
from dataclasses import dataclass
from typing import Any

from service.records import DetectionMetadata
from service.storage.record_encoding import DamagedRecord, decode_metadata

_LENGTHS = struct.Struct("<4s4I")
_MAGIC = b"SET1"


@dataclass(frozen=True, slots=True)
class DamagedParts:
    """The bytes of a damaged record, each part as far as it could be read, else empty."""

    metadata: bytes = b""
    feature_map: bytes = b""
    crop: bytes = b""


@dataclass(frozen=True, slots=True)
class SetAsideRecord:
    """A damaged record that is no longer served.

    Attributes:
        reason: what was wrong with it.
        set_aside_at_us: when it was set aside.
        metadata: who, where and when it was, if that part is sound.
    """

    detection_id: str
    reason: str
    set_aside_at_us: int
    metadata: DetectionMetadata | None


def encode_set_aside(reason: str, set_aside_at_us: int, parts: DamagedParts) -> bytes:
    """The bytes of an entry."""
    about = json.dumps({"reason": reason, "set_aside_at_us": set_aside_at_us}).encode()
    lengths = _LENGTHS.pack(_MAGIC, len(about), len(parts.metadata), len(parts.feature_map), len(parts.crop))
    return lengths + about + parts.metadata + parts.feature_map + parts.crop


def decode_set_aside(detection_id: str, value: bytes) -> SetAsideRecord:
    """An entry without its parts. It never fails: an entry that is damaged itself says so as its reason."""
    try:
        about, parts = _split(value)
        reason, set_aside_at_us = str(about["reason"]), int(about["set_aside_at_us"])
    except (struct.error, ValueError, KeyError, TypeError) as error:
        return SetAsideRecord(detection_id, f"what was set aside is damaged, too: {error}", 0, None)
    return SetAsideRecord(detection_id, reason, set_aside_at_us, _metadata_of(detection_id, parts.metadata))


def _split(value: bytes) -> tuple[Any, DamagedParts]:
    magic, *lengths = _LENGTHS.unpack_from(value)
    if magic != _MAGIC or len(value) != _LENGTHS.size + sum(lengths):
        raise ValueError("its lengths are wrong")
    pieces: list[bytes] = []
    start = _LENGTHS.size
    for length in lengths:
        pieces.append(value[start : start + length])
        start += length
    return json.loads(pieces[0]), DamagedParts(*pieces[1:])


def _metadata_of(detection_id: str, value: bytes) -> DetectionMetadata | None:
    try:
        metadata = decode_metadata(value)
    except DamagedRecord:
        return None
    return metadata if metadata.detection_id == detection_id else None
