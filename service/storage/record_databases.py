"""The databases that hold the records, as one thing: records are written, erased, set aside and counted here, in
transactions that others begin, and `reader` and `walker` read them.

When writes are committed, and what is answered, is `record_writer`'s and `detection_store`'s.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

import lmdb

from service.records import DetectionMetadata, DetectionRecord
from service.storage.named_databases import open_databases
from service.storage.record_encoding import (
    DamagedRecord,
    EncodedRecord,
    decode_key,
    decode_metadata,
    encode_key,
    encode_record,
)
from service.storage.record_reader import RecordReader
from service.storage.record_walker import RecordWalker
from service.storage.reindexed_maps import ReindexedMap, ReindexedMaps, crop_digest
from service.storage.set_aside_encoding import DamagedParts, decode_set_aside, encode_set_aside

_logger = logging.getLogger(__name__)


class RecordDatabases:
    """The databases of one environment, by detection ID.

    Attributes:
        reader, walker: read single records, and all of them.
        reindexed: the feature maps that a reindex made anew.
    """

    def __init__(self, environment: lmdb.Environment) -> None:
        self._environment = environment
        self._databases = open_databases(environment)
        self.reader = RecordReader(environment, self._databases)
        self.walker = RecordWalker(environment, self._databases, self.reader)
        self.reindexed = ReindexedMaps(self._databases.reindexed_maps)

    def put(self, transaction: "lmdb.Transaction[bytes]", record: EncodedRecord) -> bool:
        """Write a record, also in the place of a damaged one; True if there was none of that ID before.

        A map that was made anew from the old crop goes.
        """
        is_new = transaction.get(record.key, db=self._databases.metadata) is None
        transaction.put(record.key, record.metadata, db=self._databases.metadata)
        transaction.put(record.key, record.feature_map, db=self._databases.feature_maps)
        transaction.put(record.key, record.crop, db=self._databases.crops)
        transaction.delete(record.key, db=self._databases.set_aside)
        self.reindexed.delete(transaction, record.key)
        return is_new

    def delete(self, transaction: "lmdb.Transaction[bytes]", keys: Sequence[bytes]) -> list[DetectionMetadata]:
        """Erase records, those that were set aside too; the metadata of those that were there.

        A damaged one is erased and logged, and returned only if its metadata is sound.
        """
        erased = []
        for key in keys:
            metadata = self._metadata_to_erase(transaction, key)
            self._remove(transaction, key)
            if metadata is not None:
                erased.append(metadata)
        return erased

    def set_aside(self, transaction: "lmdb.Transaction[bytes]", key: bytes, reason: str, at_us: int) -> bool:
        """Move what there is of a record to those set aside; False where nothing is there."""
        parts = [transaction.get(key, db=database) for database in self._databases.parts]
        if parts == [None] * len(parts):
            return False
        entry = encode_set_aside(reason, at_us, DamagedParts(*(part or b"" for part in parts)))
        self._remove(transaction, key)
        self.put_set_aside(transaction, key, entry)
        return True

    def put_set_aside(self, transaction: "lmdb.Transaction[bytes]", key: bytes, entry: bytes) -> None:
        """Keep an entry of `set_aside_encoding`."""
        transaction.put(key, entry, db=self._databases.set_aside)

    def stage(self, transaction: "lmdb.Transaction[bytes]", reindexed: ReindexedMap) -> bool:
        """Keep a map beside its record; False if the record is gone or has another crop by now."""
        if self._record_it_is_for(transaction, reindexed) is None:
            return False
        self.reindexed.put(transaction, reindexed)
        return True

    def adopt(self, transaction: "lmdb.Transaction[bytes]", reindexed: ReindexedMap) -> bool:
        """Put a map into its record, with its model; False if the record is gone or has another crop by now."""
        record = self._record_it_is_for(transaction, reindexed)
        if record is None:
            return False
        metadata = replace(record.metadata, model_fingerprint=reindexed.fingerprint)
        self.put(transaction, encode_record(replace(record, metadata=metadata, feature_map=reindexed.feature_map)))
        return True

    def used_bytes(self, transaction: "lmdb.Transaction[bytes]") -> int:
        """The pages of all records, and of the maps made anew.

        Free pages within the file do not count: the next records take them.
        """
        statistics = [transaction.stat(database) for database in self._databases.all]
        pages = sum(each["branch_pages"] + each["leaf_pages"] + each["overflow_pages"] for each in statistics)
        return pages * statistics[0]["psize"]

    def count(self) -> int:
        """How many records there are."""
        with self._environment.begin() as transaction:
            return transaction.stat(self._databases.metadata)["entries"]

    def count_set_aside(self) -> int:
        """How many damaged records are set aside."""
        if self._databases.set_aside is None:
            return 0
        with self._environment.begin() as transaction:
            return transaction.stat(self._databases.set_aside)["entries"]

    def count_crops(self) -> int:
        """How many records have a crop: where crops are not kept, it is empty."""
        with self._environment.begin(buffers=True) as transaction, transaction.cursor(self._databases.crops) as cursor:
            return sum(len(value) > 0 for value in cursor.iternext(keys=False))

    def _metadata_to_erase(self, transaction: "lmdb.Transaction[bytes]", key: bytes) -> DetectionMetadata | None:
        value = transaction.get(key, db=self._databases.metadata)
        if value is None:
            entry = transaction.get(key, db=self._databases.set_aside)
            return None if entry is None else decode_set_aside(decode_key(key), entry).metadata
        try:
            return decode_metadata(value)
        except DamagedRecord as error:
            _logger.warning("the damaged record of detection %s was erased: %s", decode_key(key), error)
            return None

    def _remove(self, transaction: "lmdb.Transaction[bytes]", key: bytes) -> None:
        for database in self._databases.all:
            transaction.delete(key, db=database)

    def _record_it_is_for(
        self, transaction: "lmdb.Transaction[bytes]", reindexed: ReindexedMap
    ) -> DetectionRecord | None:
        key = encode_key(reindexed.detection_id)
        value = transaction.get(key, db=self._databases.metadata)
        if value is None:
            return None
        try:
            record = self.reader.read_record(transaction, key, value)
        except DamagedRecord:
            return None
        return record if crop_digest(record.crop) == reindexed.crop_sha256 else None
