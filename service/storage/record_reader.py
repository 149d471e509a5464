"""Reads single records and their parts. Each part is held against its checksum; one that is not what was written is a
damaged record.
"""

from typing import Any

import lmdb
import numpy as np
import numpy.typing as npt

from service.records import DetectionMetadata, DetectionRecord
from service.storage.damaged_database import reading_a_record
from service.storage.named_databases import OpenDatabases
from service.storage.record_encoding import (
    DamagedRecord,
    EncodedRecord,
    RecordHeader,
    check_part,
    decode_feature_map,
    decode_header,
    decode_key,
    encode_key,
)
from service.storage.set_aside_encoding import DamagedParts, SetAsideRecord, decode_set_aside


def header_of(key: bytes, value: bytes) -> RecordHeader:
    """What the metadata's bytes say, which stand under that key. Raises DamagedRecord."""
    header = decode_header(value)
    if header.metadata.detection_id != decode_key(key):
        raise DamagedRecord(f"metadata is that of detection {header.metadata.detection_id!r}")
    return header


class RecordReader:
    """Reads by detection ID, in a transaction of its own, or by key, in the caller's."""

    def __init__(self, environment: lmdb.Environment, databases: OpenDatabases) -> None:
        self._environment = environment
        self._databases = databases

    def get_metadata(self, detection_id: str) -> DetectionMetadata | None:
        """The metadata of a detection; None if there is none. Raises DamagedRecord if it cannot be read."""
        key = encode_key(detection_id)
        with self._environment.begin() as transaction, reading_a_record():
            value = transaction.get(key, db=self._databases.metadata)
        return None if value is None else header_of(key, value).metadata

    def get_record(self, detection_id: str) -> DetectionRecord | None:
        """The whole record of a detection; None if there is none. Raises DamagedRecord if it cannot be read."""
        key = encode_key(detection_id)
        with self._environment.begin(buffers=True) as transaction, reading_a_record():
            value = transaction.get(key, db=self._databases.metadata)
            return None if value is None else self.read_record(transaction, key, bytes(value))

    def get_crop(self, detection_id: str) -> bytes | None:
        """The image file of a detection as it was sent; None if there is none. Raises DamagedRecord."""
        key = encode_key(detection_id)
        with self._environment.begin(buffers=True) as transaction, reading_a_record():
            value = transaction.get(key, db=self._databases.metadata)
            return None if value is None else self._crop_of(transaction, key, header_of(key, bytes(value)))

    def get_feature_map(self, detection_id: str) -> npt.NDArray[np.float16] | None:
        """The feature map of a detection, float16 [d, h, w]; None if there is none. Raises DamagedRecord."""
        key = encode_key(detection_id)
        with self._environment.begin(buffers=True) as transaction, reading_a_record():
            value = transaction.get(key, db=self._databases.metadata)
            return None if value is None else self._feature_map_of(transaction, key, header_of(key, bytes(value)))

    def get_set_aside(self, detection_id: str) -> SetAsideRecord | None:
        """The damaged record of that ID that was set aside; None if there is none."""
        assert self._databases.set_aside is not None
        with self._environment.begin() as transaction:
            entry = transaction.get(encode_key(detection_id), db=self._databases.set_aside)
        return None if entry is None else decode_set_aside(detection_id, entry)

    def holds(self, detection_id: str) -> bool:
        """Whether there is anything of a detection, sound, damaged or set aside."""
        key = encode_key(detection_id)
        with self._environment.begin(buffers=True) as transaction, reading_a_record():
            return self.has_any(transaction, key)

    def has_any(self, transaction: "lmdb.Transaction[Any]", key: bytes) -> bool:
        """`holds`, in a transaction."""
        return any(transaction.get(key, db=database) is not None for database in self._databases.all)

    def require_sound(self, detection_id: str) -> None:
        """Raises DamagedRecord unless all parts of a detection can be read, or none is there."""
        key = encode_key(detection_id)
        with self._environment.begin(buffers=True) as transaction, reading_a_record():
            value = transaction.get(key, db=self._databases.metadata)
            if value is not None:
                self.read_record(transaction, key, bytes(value))
            elif any(transaction.get(key, db=database) is not None for database in self._databases.parts):
                raise DamagedRecord("there is no metadata")

    def read_record(self, transaction: "lmdb.Transaction[Any]", key: bytes, value: bytes) -> DetectionRecord:
        """The record whose metadata's bytes were read in a transaction. Raises DamagedRecord if it cannot be read."""
        header = header_of(key, value)
        feature_map = self._feature_map_of(transaction, key, header)
        return DetectionRecord(header.metadata, feature_map, self._crop_of(transaction, key, header))

    def read_encoded(
        self, transaction: "lmdb.Transaction[memoryview]", key: bytes
    ) -> tuple[DetectionMetadata, EncodedRecord]:
        """A whole record as its bytes, which were checked as `read_record` does. Raises DamagedRecord."""
        parts = self.read_parts(transaction, key)
        record = self.read_record(transaction, key, parts.metadata)
        return record.metadata, EncodedRecord(key, parts.metadata, parts.feature_map, record.crop)

    def read_parts(self, transaction: "lmdb.Transaction[memoryview]", key: bytes) -> DamagedParts:
        """The bytes of a record as they are, unchecked; empty where a part is not there."""
        return DamagedParts(*(bytes(transaction.get(key, db=database) or b"") for database in self._databases.parts))

    def _feature_map_of(
        self, transaction: "lmdb.Transaction[Any]", key: bytes, header: RecordHeader
    ) -> npt.NDArray[np.float16]:
        value = _checked_part(transaction, key, self._databases.feature_maps, "feature map", header.feature_map_sha256)
        return decode_feature_map(value)

    def _crop_of(self, transaction: "lmdb.Transaction[Any]", key: bytes, header: RecordHeader) -> bytes:
        return bytes(_checked_part(transaction, key, self._databases.crops, "crop", header.crop_sha256))


def _checked_part(
    transaction: "lmdb.Transaction[Any]",
    key: bytes,
    database: lmdb._Database,
    name: str,
    expected_sha256: str | None,
) -> bytes | memoryview:
    value: bytes | memoryview | None = transaction.get(key, db=database)
    if value is None:
        raise DamagedRecord(f"there is no {name}")
    check_part(name, value, expected_sha256)
    return value
