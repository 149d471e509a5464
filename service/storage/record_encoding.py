"""How a record is written in bytes, and read back strictly.

Metadata is JSON with a version, so that a later format can tell the old one. A feature map is its shape and its
values, little-endian whatever the machine; the crop stays the file that was sent.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.records import DetectionMetadata, DetectionRecord

METADATA_VERSION = 1

_FEATURE_MAP_HEADER = struct.Struct("<4s3I")
_FEATURE_MAP_MAGIC = b"FMP1"
_FEATURE_MAP_DTYPE = np.dtype("<f2")
_FIELD_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "detection_id": str,
    "camera_id": str,
    "timestamp_us": int,
    "track_id": (str, type(None)),
    "person_id": (str, type(None)),
    "image_width": int,
    "image_height": int,
    "image_media_type": str,
    "model_fingerprint": str,
    "created_at_us": int,
}


class DamagedRecord(ValueError):  # noqa: N818 - the record is what is damaged
    """Bytes on the disk that are no record of this format; the message says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class EncodedRecord:
    """A record as the bytes that the disk keeps, one value for each of its databases."""

    key: bytes
    metadata: bytes
    feature_map: bytes
    crop: bytes


def encode_record(record: DetectionRecord) -> EncodedRecord:
    """The bytes of a whole record.

    Raises:
        ValueError: the feature map is not float16 [d, h, w]; a mistake of the program, not of a client.
    """
    return EncodedRecord(
        key=encode_key(record.metadata.detection_id),
        metadata=encode_metadata(record.metadata),
        feature_map=encode_feature_map(record.feature_map),
        crop=record.crop,
    )


def encode_key(detection_id: str) -> bytes:
    """The key of a detection; not ASCII is an error, because no such ID is ever accepted."""
    return detection_id.encode("ascii")


def encode_metadata(metadata: DetectionMetadata) -> bytes:
    """Metadata as JSON."""
    return json.dumps({"version": METADATA_VERSION, **asdict(metadata)}, separators=(",", ":")).encode()


def decode_metadata(value: bytes) -> DetectionMetadata:
    """Metadata from JSON, strictly: every field, of its own type, and no other.

    Raises:
        DamagedRecord: the bytes are something else.
    """
    try:
        fields: Any = json.loads(value)
    except ValueError as error:
        raise DamagedRecord(f"metadata is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise DamagedRecord(f"metadata is a JSON {type(fields).__name__}, not an object")
    version = fields.pop("version", None)
    if version != METADATA_VERSION:
        raise DamagedRecord(f"metadata has version {version!r}; this service reads version {METADATA_VERSION}")
    if fields.keys() != _FIELD_TYPES.keys():
        raise DamagedRecord(f"metadata has wrong fields: {sorted(fields.keys() ^ _FIELD_TYPES.keys())}")
    for name, expected in _FIELD_TYPES.items():
        if not isinstance(fields[name], expected) or isinstance(fields[name], bool):
            raise DamagedRecord(f"metadata field {name} is {fields[name]!r}")
    return DetectionMetadata(**fields)


def encode_feature_map(feature_map: npt.NDArray[np.float16]) -> bytes:
    """A feature map, float16 [d, h, w], as header and values."""
    if feature_map.ndim != 3 or feature_map.dtype != np.float16:
        raise ValueError(f"a feature map is float16 [d, h, w], not {feature_map.dtype} {list(feature_map.shape)}")
    header = _FEATURE_MAP_HEADER.pack(_FEATURE_MAP_MAGIC, *feature_map.shape)
    return header + feature_map.astype(_FEATURE_MAP_DTYPE, copy=False).tobytes()


def decode_feature_map(value: bytes | memoryview) -> npt.NDArray[np.float16]:
    """A feature map, float16 [d, h, w], as an array of its own.

    Raises:
        DamagedRecord: the bytes are not a feature map, or not as many as its shape says.
    """
    if len(value) < _FEATURE_MAP_HEADER.size:
        raise DamagedRecord(f"feature map has {len(value)} bytes, fewer than its header")
    magic, *shape = _FEATURE_MAP_HEADER.unpack_from(value)
    if magic != _FEATURE_MAP_MAGIC:
        raise DamagedRecord(f"feature map begins with {magic!r}, not {_FEATURE_MAP_MAGIC!r}")
    expected = _FEATURE_MAP_HEADER.size + shape[0] * shape[1] * shape[2] * _FEATURE_MAP_DTYPE.itemsize
    if len(value) != expected:
        raise DamagedRecord(f"feature map of shape {shape} has {len(value)} bytes, not {expected}")
    values = np.frombuffer(value, _FEATURE_MAP_DTYPE, offset=_FEATURE_MAP_HEADER.size)
    return values.reshape(shape).astype(np.float16, copy=True)
