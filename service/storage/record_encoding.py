"""How a record is written in bytes, and read back strictly: a changed byte of any part is found.

Metadata is JSON with a version, so that a later format can tell the old one. From version 2 on it holds the SHA-256 of
the feature map and of the crop, and stands behind a SHA-256 of its own: the parts of a record are one version of it, or
it is damaged. Version 1 had no checksums and is still read. A feature map is its shape and its values, little-endian
whatever the machine; the crop stays the file that was sent.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from service.records import DetectionMetadata, DetectionRecord

METADATA_VERSION = 2

_VERSION_WITHOUT_CHECKSUMS = 1
_CHECKED_MAGIC = b"QAM2"
_CHECKED_HEADER_BYTES = len(_CHECKED_MAGIC) + sha256().digest_size
_FEATURE_MAP_HEADER = struct.Struct("<4s3I")
_FEATURE_MAP_MAGIC = b"FMP1"
_FEATURE_MAP_DTYPE = np.dtype("<f2")
_ALL_BUT_SIGN, _INFINITY = np.uint16(0x7FFF), np.uint16(0x7C00)
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
_CHECKSUM_TYPES: Mapping[str, type | tuple[type, ...]] = {"feature_map_sha256": str, "crop_sha256": str}


class DamagedRecord(ValueError):  # noqa: N818 - the record is what is damaged
    """Bytes on the disk that are no record of this format; the message says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class EncodedRecord:
    """A record as the bytes that the disk keeps, one value for each of its databases."""

    key: bytes
    metadata: bytes
    feature_map: bytes
    crop: bytes


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """What the metadata's bytes say: the metadata, and the SHA-256 of the other parts; None in version 1."""

    metadata: DetectionMetadata
    feature_map_sha256: str | None
    crop_sha256: str | None


def encode_record(record: DetectionRecord) -> EncodedRecord:
    """The bytes of a whole record.

    Raises:
        ValueError: the feature map is not float16 [d, h, w]; a mistake of the program, not of a client.
    """
    feature_map = encode_feature_map(record.feature_map)
    header = RecordHeader(record.metadata, sha256(feature_map).hexdigest(), sha256(record.crop).hexdigest())
    return EncodedRecord(encode_key(record.metadata.detection_id), encode_header(header), feature_map, record.crop)


def encode_key(detection_id: str) -> bytes:
    """The key of a detection. An accepted ID is ASCII; a key that was damaged may be any bytes, and is still one."""
    return detection_id.encode("latin-1")


def decode_key(key: bytes) -> str:
    """The detection whose key it is."""
    return key.decode("latin-1")


def encode_header(header: RecordHeader) -> bytes:
    """Metadata and checksums as JSON, behind a checksum of their own."""
    checksums = {"feature_map_sha256": header.feature_map_sha256, "crop_sha256": header.crop_sha256}
    fields = {"version": METADATA_VERSION, **asdict(header.metadata), **checksums}
    text = json.dumps(fields, separators=(",", ":")).encode()
    return _CHECKED_MAGIC + sha256(text).digest() + text


def decode_header(value: bytes) -> RecordHeader:
    """Metadata and checksums, strictly: every field, of its own type, and no other.

    Raises:
        DamagedRecord: the bytes are something else.
    """
    if not value.startswith(b"{"):
        return _header_of(_checked_text(value), METADATA_VERSION, {**_FIELD_TYPES, **_CHECKSUM_TYPES})
    return _header_of(value, _VERSION_WITHOUT_CHECKSUMS, _FIELD_TYPES)


def decode_metadata(value: bytes) -> DetectionMetadata:
    """The metadata alone; as `decode_header`."""
    return decode_header(value).metadata


def check_part(name: str, value: bytes | memoryview, expected_sha256: str | None) -> None:
    """Hold a feature map's or a crop's bytes against its checksum, where the record has one.

    Raises:
        DamagedRecord: they are not those that were written.
    """
    if expected_sha256 is not None and sha256(value).hexdigest() != expected_sha256:
        raise DamagedRecord(f"the {name}'s SHA-256 is not the one that was written with it")


def encode_feature_map(feature_map: npt.NDArray[np.float16]) -> bytes:
    """A feature map, float16 [d, h, w], as header and values."""
    if feature_map.ndim != 3 or feature_map.dtype != np.float16:
        raise ValueError(f"a feature map is float16 [d, h, w], not {feature_map.dtype} {list(feature_map.shape)}")
    header = _FEATURE_MAP_HEADER.pack(_FEATURE_MAP_MAGIC, *feature_map.shape)
    return header + feature_map.astype(_FEATURE_MAP_DTYPE, copy=False).tobytes()


def decode_feature_map(value: bytes | memoryview) -> npt.NDArray[np.float16]:
    """A feature map, float16 [d, h, w], as an array of its own.

    Raises:
        DamagedRecord: the bytes are not a feature map, or not as many as its shape says, or not all finite.
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
    # On the bits, a seventh of what np.isfinite takes for float16: all exponent bits are set in no finite number.
    if values.size and (values.view("<u2") & _ALL_BUT_SIGN).max() >= _INFINITY:
        raise DamagedRecord("feature map has values that are infinite or no numbers")
    return values.reshape(shape).astype(np.float16, copy=True)


def _checked_text(value: bytes) -> bytes:
    if not value.startswith(_CHECKED_MAGIC):
        raise DamagedRecord(f"metadata begins with {value[:4]!r}, neither with {_CHECKED_MAGIC!r} nor as JSON")
    text = value[_CHECKED_HEADER_BYTES:]
    if sha256(text).digest() != value[len(_CHECKED_MAGIC) : _CHECKED_HEADER_BYTES]:
        raise DamagedRecord("the metadata's SHA-256 is not the one that was written with it")
    return text


def _header_of(text: bytes, expected_version: int, types: Mapping[str, type | tuple[type, ...]]) -> RecordHeader:
    try:
        fields: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedRecord(f"metadata is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise DamagedRecord(f"metadata is a JSON {type(fields).__name__}, not an object")
    version = fields.pop("version", None)
    if version != expected_version:
        raise DamagedRecord(f"metadata has version {version!r}, not {expected_version}")
    if fields.keys() != types.keys():
        raise DamagedRecord(f"metadata has wrong fields: {sorted(fields.keys() ^ types.keys())}")
    for name, expected in types.items():
        if not isinstance(fields[name], expected) or isinstance(fields[name], bool):
            raise DamagedRecord(f"metadata field {name} is {fields[name]!r}")
    checksums = [fields.pop(name, None) for name in _CHECKSUM_TYPES]
    return RecordHeader(DetectionMetadata(**fields), *checksums)
