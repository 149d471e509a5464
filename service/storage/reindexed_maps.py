"""Feature maps of a new model, made anew from the stored crops and kept beside the old ones until the switch."""

import hashlib
import struct
from dataclasses import dataclass

import lmdb
import numpy as np
import numpy.typing as npt

from service.storage.record_encoding import DamagedRecord, decode_feature_map, encode_feature_map

# Magic, SHA-256 of what follows, fingerprint, SHA-256 of the crop; then the map as a record has it.
_HEADER = struct.Struct("<4s32s32s32s")
_MAGIC = b"RXM1"
_CHECKED_FROM = 36


@dataclass(frozen=True, slots=True)
class ReindexedMap:
    """A feature map and what it was made from.

    Attributes:
        fingerprint: of the model that made it; 64 hexadecimal digits.
        crop_sha256: of the image file; a map whose crop was replaced since is stale.
        feature_map: float16 [d, h, w].
    """

    detection_id: str
    fingerprint: str
    crop_sha256: bytes
    feature_map: npt.NDArray[np.float16]


def crop_digest(crop: bytes) -> bytes:
    """The SHA-256 of an image file."""
    return hashlib.sha256(crop).digest()


class ReindexedMaps:
    """The `database` of these maps, by detection ID, inside transactions that others begin.

    It is None in an environment that is only read, and that no service of these maps has written to.
    """

    def __init__(self, database: lmdb._Database | None) -> None:
        self.database = database

    def put(self, transaction: "lmdb.Transaction[bytes]", reindexed: ReindexedMap) -> None:
        """Keep a map, in place of any other of that detection."""
        encoded = encode_feature_map(reindexed.feature_map)
        content = bytes.fromhex(reindexed.fingerprint) + reindexed.crop_sha256 + encoded
        value = struct.pack("<4s32s", _MAGIC, hashlib.sha256(content).digest()) + content
        transaction.put(reindexed.detection_id.encode("ascii"), value, db=self.database)

    def get(self, transaction: "lmdb.Transaction[bytes]", detection_id: str) -> ReindexedMap | None:
        """The map of a detection; None if there is none, or none that can be trusted: it is to be made again."""
        value = transaction.get(detection_id.encode("ascii"), db=self.database)
        if value is None or len(value) < _HEADER.size:
            return None
        magic, checksum, fingerprint, crop_sha256 = _HEADER.unpack_from(value)
        if magic != _MAGIC or hashlib.sha256(value[_CHECKED_FROM:]).digest() != checksum:
            return None
        try:
            feature_map = decode_feature_map(value[_HEADER.size :])
        except DamagedRecord:
            return None
        return ReindexedMap(detection_id, fingerprint.hex(), crop_sha256, feature_map)

    def get_encoded(self, transaction: "lmdb.Transaction[memoryview]", key: bytes) -> bytes:
        """The bytes of a detection's map as they are, unchecked; empty where there is none."""
        return b"" if self.database is None else bytes(transaction.get(key, db=self.database) or b"")

    def put_encoded(self, transaction: "lmdb.Transaction[bytes]", key: bytes, value: bytes) -> None:
        """Keep what `get_encoded` gave."""
        if value:
            transaction.put(key, value, db=self.database)

    def delete(self, transaction: "lmdb.Transaction[bytes]", key: bytes) -> None:
        """Drop the map of a detection, if there is one."""
        transaction.delete(key, db=self.database)

    def delete_some(self, transaction: "lmdb.Transaction[bytes]", limit: int) -> int:
        """Drop the first maps, at most `limit`; how many they were."""
        with transaction.cursor(self.database) as cursor:
            dropped = 0
            is_there = cursor.first()
            while is_there and dropped < limit:
                is_there = cursor.delete() and bool(cursor.key())
                dropped += 1
        return dropped

    def count(self, transaction: "lmdb.Transaction[bytes]") -> int:
        """How many maps there are."""
        return 0 if self.database is None else transaction.stat(self.database)["entries"]
