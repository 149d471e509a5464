"""The three LMDB databases of an environment that hold the records: metadata, feature maps and crops by detection ID.

What happens inside transactions is here; when writes are committed, and what is answered, is `detection_store`'s.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import lmdb
import numpy as np
import numpy.typing as npt

from service.records import DetectionMetadata, DetectionRecord
from service.storage.record_encoding import (
    DamagedRecord,
    EncodedRecord,
    decode_feature_map,
    decode_metadata,
    encode_key,
)

Item = TypeVar("Item")
OnDamaged = Callable[[str, str], None]

# Read transactions are kept short, because pages that a reader may still see cannot be used again: 1,000 metadata
# are below a megabyte, 32 whole records about two.
_METADATA_IN_ONE_READ = 1000
_RECORDS_IN_ONE_READ = 32

_logger = logging.getLogger(__name__)


class RecordDatabases:
    """Reading, writing and walking records. Each of the three databases has an entry for every record."""

    def __init__(self, environment: lmdb.Environment) -> None:
        self._environment = environment
        self._metadata = environment.open_db(b"metadata")
        self._feature_maps = environment.open_db(b"feature_maps")
        self._crops = environment.open_db(b"crops")
        self._all = (self._metadata, self._feature_maps, self._crops)

    def put(self, transaction: "lmdb.Transaction[bytes]", record: EncodedRecord) -> bool:
        """Write a record; True if there was none of that ID before."""
        is_new = transaction.get(record.key, db=self._metadata) is None
        transaction.put(record.key, record.metadata, db=self._metadata)
        transaction.put(record.key, record.feature_map, db=self._feature_maps)
        transaction.put(record.key, record.crop, db=self._crops)
        return is_new

    def delete(self, transaction: "lmdb.Transaction[bytes]", keys: Sequence[bytes]) -> list[DetectionMetadata]:
        """Erase records; the metadata of those that were there. A damaged one is erased and logged, not returned."""
        erased = []
        for key in keys:
            value = transaction.get(key, db=self._metadata)
            for database in self._all:
                transaction.delete(key, db=database)
            if value is None:
                continue
            try:
                erased.append(decode_metadata(value))
            except DamagedRecord as error:
                _logger.warning("the damaged record of detection %s was erased: %s", key.decode("ascii"), error)
        return erased

    def used_bytes(self, transaction: "lmdb.Transaction[bytes]") -> int:
        """The pages of all records. Free pages within the file do not count: the next records take them."""
        statistics = [transaction.stat(database) for database in self._all]
        pages = sum(each["branch_pages"] + each["leaf_pages"] + each["overflow_pages"] for each in statistics)
        return pages * statistics[0]["psize"]

    def count(self) -> int:
        """How many records there are."""
        with self._environment.begin() as transaction:
            return transaction.stat(self._metadata)["entries"]

    def count_crops(self) -> int:
        """How many records have a crop: where crops are not kept, it is empty."""
        with self._environment.begin(buffers=True) as transaction, transaction.cursor(self._crops) as cursor:
            return sum(len(value) > 0 for value in cursor.iternext(keys=False))

    def get_metadata(self, detection_id: str) -> DetectionMetadata | None:
        """The metadata of a detection; None if there is none. Raises DamagedRecord if it cannot be read."""
        key = encode_key(detection_id)
        with self._environment.begin() as transaction:
            value = transaction.get(key, db=self._metadata)
        return None if value is None else _metadata_of(key, value)

    def get_record(self, detection_id: str) -> DetectionRecord | None:
        """The whole record of a detection; None if there is none. Raises DamagedRecord if it cannot be read."""
        key = encode_key(detection_id)
        with self._environment.begin(buffers=True) as transaction:
            value = transaction.get(key, db=self._metadata)
            return None if value is None else self._record_of(transaction, key, bytes(value))

    def get_crop(self, detection_id: str) -> bytes | None:
        """The image file of a detection as it was sent; None if there is none."""
        with self._environment.begin() as transaction:
            return transaction.get(encode_key(detection_id), db=self._crops)

    def get_feature_map(self, detection_id: str) -> npt.NDArray[np.float16] | None:
        """The feature map of a detection, float16 [d, h, w]; None if there is none. Raises DamagedRecord."""
        with self._environment.begin(buffers=True) as transaction:
            value = transaction.get(encode_key(detection_id), db=self._feature_maps)
            return None if value is None else decode_feature_map(value)

    def iterate_metadata(self, on_damaged: OnDamaged) -> Iterator[DetectionMetadata]:
        """All metadata, ordered by ID; what is damaged goes to `on_damaged(detection_id, reason)` and is skipped."""
        return self._iterate(lambda _, key, value: _metadata_of(key, value), _METADATA_IN_ONE_READ, on_damaged)

    def iterate_records(self, on_damaged: OnDamaged) -> Iterator[DetectionRecord]:
        """All records, ordered by ID; what is damaged goes to `on_damaged(detection_id, reason)` and is skipped."""
        return self._iterate(self._record_of, _RECORDS_IN_ONE_READ, on_damaged)

    def _iterate(
        self,
        decode: Callable[["lmdb.Transaction[memoryview]", bytes, bytes], Item],
        in_one_read: int,
        on_damaged: OnDamaged,
    ) -> Iterator[Item]:
        start = b""
        while True:
            items: list[Item] = []
            with self._environment.begin(buffers=True) as transaction:
                keys_and_values = self._metadata_from(transaction, start, in_one_read)
                for key, value in keys_and_values:
                    try:
                        items.append(decode(transaction, key, value))
                    except DamagedRecord as error:
                        on_damaged(key.decode("ascii", "backslashreplace"), str(error))
            yield from items
            if len(keys_and_values) < in_one_read:
                return
            start = keys_and_values[-1][0] + b"\0"  # the smallest key after the last one

    def _metadata_from(
        self, transaction: "lmdb.Transaction[memoryview]", start: bytes, limit: int
    ) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        with transaction.cursor(self._metadata) as cursor:
            is_there = cursor.set_range(start) if start else cursor.first()
            while is_there and len(found) < limit:
                found.append((bytes(cursor.key()), bytes(cursor.value())))
                is_there = cursor.next()
        return found

    def _record_of(self, transaction: "lmdb.Transaction[memoryview]", key: bytes, value: bytes) -> DetectionRecord:
        metadata = _metadata_of(key, value)
        feature_map = transaction.get(key, db=self._feature_maps)
        crop = transaction.get(key, db=self._crops)
        if feature_map is None or crop is None:
            raise DamagedRecord(f"there is no {'feature map' if feature_map is None else 'crop'}")
        return DetectionRecord(metadata, decode_feature_map(feature_map), bytes(crop))


def _metadata_of(key: bytes, value: bytes) -> DetectionMetadata:
    metadata = decode_metadata(value)
    if metadata.detection_id.encode() != key:
        raise DamagedRecord(f"metadata is that of detection {metadata.detection_id!r}")
    return metadata
