"""The LMDB databases of an environment that hold the records: metadata, feature maps and crops by detection ID, and by
the same ID the damaged records that were set aside and the feature maps that a reindex made anew.

What happens inside transactions is here; when writes are committed, and what is answered, is `detection_store`'s.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self, TypeVar

import lmdb
import numpy as np
import numpy.typing as npt

from service.records import DetectionMetadata, DetectionRecord
from service.storage.named_databases import CROPS, FEATURE_MAPS, METADATA, SET_ASIDE, open_if_there
from service.storage.record_encoding import (
    DamagedRecord,
    EncodedRecord,
    RecordHeader,
    check_part,
    decode_feature_map,
    decode_header,
    decode_key,
    decode_metadata,
    encode_key,
    encode_record,
)
from service.storage.reindexed_maps import ReindexedMap, ReindexedMaps, crop_digest
from service.storage.set_aside_encoding import DamagedParts, SetAsideRecord, decode_set_aside, encode_set_aside

Item = TypeVar("Item")
OnDamaged = Callable[[str, str], None]

# Read transactions are kept short, because pages that a reader may still see cannot be used again: 1,000 metadata
# are below a megabyte, 32 whole records about two.
_METADATA_IN_ONE_READ = 1000
_RECORDS_IN_ONE_READ = 32

# What LMDB finds wrong with its own pages. After one of them a transaction is of no more use.
UNREADABLE_PAGES = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.BadTxnError)

_logger = logging.getLogger(__name__)


class DamagedDatabase(RuntimeError):  # noqa: N818 - as DamagedRecord
    """The database itself is damaged, not only records in it; the message says what to do."""

    @classmethod
    def found_in(cls, path: str, reason: object) -> Self:
        """For the database of a folder, with what is wrong with it."""
        return cls(
            f"the database in {path} is damaged: {reason}. Stop the service, keep that folder, and restore the last "
            "backup into an empty data directory (qaconv-service backup restore)"
        )


class RecordDatabases:
    """Reading, writing and walking records. Metadata, feature maps and crops have an entry for every record.

    Reading a part holds it against its checksum and raises DamagedRecord where it is not what was written.
    """

    def __init__(self, environment: lmdb.Environment) -> None:
        self._environment = environment
        self._metadata = environment.open_db(METADATA)
        self._feature_maps = environment.open_db(FEATURE_MAPS)
        self._crops = environment.open_db(CROPS)
        self._set_aside = open_if_there(environment, SET_ASIDE)
        self._parts = (self._metadata, self._feature_maps, self._crops)
        self.reindexed = ReindexedMaps(environment)
        others = (self._set_aside, self.reindexed.database)
        self._all = (*self._parts, *(each for each in others if each is not None))

    def put(self, transaction: "lmdb.Transaction[bytes]", record: EncodedRecord) -> bool:
        """Write a record, also in the place of a damaged one; True if there was none of that ID before.

        A map that was made anew from the old crop goes.
        """
        is_new = transaction.get(record.key, db=self._metadata) is None
        transaction.put(record.key, record.metadata, db=self._metadata)
        transaction.put(record.key, record.feature_map, db=self._feature_maps)
        transaction.put(record.key, record.crop, db=self._crops)
        transaction.delete(record.key, db=self._set_aside)
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
        parts = [transaction.get(key, db=database) for database in self._parts]
        if parts == [None] * len(parts):
            return False
        entry = encode_set_aside(reason, at_us, DamagedParts(*(part or b"" for part in parts)))
        self._remove(transaction, key)
        self.put_set_aside(transaction, key, entry)
        return True

    def put_set_aside(self, transaction: "lmdb.Transaction[bytes]", key: bytes, entry: bytes) -> None:
        """Keep an entry of `set_aside_encoding`."""
        transaction.put(key, entry, db=self._set_aside)

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
        statistics = [transaction.stat(database) for database in self._all]
        pages = sum(each["branch_pages"] + each["leaf_pages"] + each["overflow_pages"] for each in statistics)
        return pages * statistics[0]["psize"]

    def count(self) -> int:
        """How many records there are."""
        with self._environment.begin() as transaction:
            return transaction.stat(self._metadata)["entries"]

    def count_set_aside(self) -> int:
        """How many damaged records are set aside."""
        if self._set_aside is None:
            return 0
        with self._environment.begin() as transaction:
            return transaction.stat(self._set_aside)["entries"]

    def get_set_aside(self, detection_id: str) -> SetAsideRecord | None:
        """The damaged record of that ID that was set aside; None if there is none."""
        assert self._set_aside is not None
        with self._environment.begin() as transaction:
            entry = transaction.get(encode_key(detection_id), db=self._set_aside)
        return None if entry is None else decode_set_aside(detection_id, entry)

    def holds(self, detection_id: str) -> bool:
        """Whether there is anything of a detection, sound, damaged or set aside."""
        key = encode_key(detection_id)
        with self._environment.begin(buffers=True) as transaction, self._reading_pages():
            return self.has_any(transaction, key)

    def has_any(self, transaction: "lmdb.Transaction[Any]", key: bytes) -> bool:
        """`holds`, in a transaction."""
        return any(transaction.get(key, db=database) is not None for database in self._all)

    def require_sound(self, detection_id: str) -> None:
        """Raises DamagedRecord unless all parts of a detection can be read, or none is there."""
        key = encode_key(detection_id)
        with self._environment.begin(buffers=True) as transaction, self._reading_pages():
            value = transaction.get(key, db=self._metadata)
            if value is not None:
                self.read_record(transaction, key, bytes(value))
            elif any(transaction.get(key, db=database) is not None for database in self._parts):
                raise DamagedRecord("there is no metadata")

    def count_crops(self) -> int:
        """How many records have a crop: where crops are not kept, it is empty."""
        with self._environment.begin(buffers=True) as transaction, transaction.cursor(self._crops) as cursor:
            return sum(len(value) > 0 for value in cursor.iternext(keys=False))

    def get_metadata(self, detection_id: str) -> DetectionMetadata | None:
        """The metadata of a detection; None if there is none. Raises DamagedRecord if it cannot be read."""
        key = encode_key(detection_id)
        with self._environment.begin() as transaction, self._reading_pages():
            value = transaction.get(key, db=self._metadata)
        return None if value is None else _header_of(key, value).metadata

    def get_record(self, detection_id: str) -> DetectionRecord | None:
        """The whole record of a detection; None if there is none. Raises DamagedRecord if it cannot be read."""
        key = encode_key(detection_id)
        with self._environment.begin(buffers=True) as transaction, self._reading_pages():
            value = transaction.get(key, db=self._metadata)
            return None if value is None else self.read_record(transaction, key, bytes(value))

    def get_crop(self, detection_id: str) -> bytes | None:
        """The image file of a detection as it was sent; None if there is none. Raises DamagedRecord."""
        key = encode_key(detection_id)
        with self._environment.begin(buffers=True) as transaction, self._reading_pages():
            value = transaction.get(key, db=self._metadata)
            return None if value is None else self._crop_of(transaction, key, _header_of(key, bytes(value)))

    def get_feature_map(self, detection_id: str) -> npt.NDArray[np.float16] | None:
        """The feature map of a detection, float16 [d, h, w]; None if there is none. Raises DamagedRecord."""
        key = encode_key(detection_id)
        with self._environment.begin(buffers=True) as transaction, self._reading_pages():
            value = transaction.get(key, db=self._metadata)
            return None if value is None else self._feature_map_of(transaction, key, _header_of(key, bytes(value)))

    def iterate_metadata(self, on_damaged: OnDamaged) -> Iterator[DetectionMetadata]:
        """All metadata, ordered by ID; what is damaged goes to `on_damaged(detection_id, reason)` and is skipped."""
        return self._iterate(lambda _, key, value: _header_of(key, value).metadata, _METADATA_IN_ONE_READ, on_damaged)

    def iterate_records(self, on_damaged: OnDamaged) -> Iterator[DetectionRecord]:
        """All records, ordered by ID; what is damaged goes to `on_damaged(detection_id, reason)` and is skipped.

        Then feature maps and crops without metadata, which are damaged too.
        """
        damaged: list[str] = []

        def note(detection_id: str, reason: str) -> None:
            damaged.append(detection_id)
            on_damaged(detection_id, reason)

        yield from self._iterate(self.read_record, _RECORDS_IN_ONE_READ, note)
        with self._environment.begin(buffers=True) as transaction:
            strays = self.find_strays(transaction, is_any_damaged=bool(damaged))
        for key in strays:
            on_damaged(decode_key(key), "there is no metadata")

    def iterate_set_aside(self) -> Iterator[SetAsideRecord]:
        """The damaged records that were set aside, ordered by ID."""
        start = b""
        while self._set_aside:
            with self._environment.begin(buffers=True) as transaction:
                entries = self._entries_from(transaction, self._set_aside, start, _RECORDS_IN_ONE_READ)
            if not entries:
                return
            yield from (decode_set_aside(decode_key(key), value) for key, value in entries)
            start = _after(entries[-1][0])

    def read_record(self, transaction: "lmdb.Transaction[Any]", key: bytes, value: bytes) -> DetectionRecord:
        """The record whose metadata's bytes were read in a transaction. Raises DamagedRecord if it cannot be read."""
        header = _header_of(key, value)
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
        return DamagedParts(*(bytes(transaction.get(key, db=database) or b"") for database in self._parts))

    def walk(self, transaction: "lmdb.Transaction[memoryview]") -> Iterator[bytes]:
        """The keys of all records in a transaction, in order."""
        with self._walking():
            yield from map(bytes, transaction.cursor(self._metadata).iternext(values=False))

    def find_strays(self, transaction: "lmdb.Transaction[memoryview]", *, is_any_damaged: bool) -> list[bytes]:
        """Feature maps and crops of which there is no metadata; the last thing to ask of a transaction.

        Args:
            transaction: LMDB reads the pages of what it walks over, and one that it cannot read ends the transaction.
            is_any_damaged: whether a record was found damaged. Where none is, the numbers of entries tell.
        """
        entries = {transaction.stat(database)["entries"] for database in self._parts}
        if not is_any_damaged and len(entries) == 1:
            return []
        strays: set[bytes] = set()
        try:
            known = set(map(bytes, transaction.cursor(self._metadata).iternext(values=False)))
            for database in (self._feature_maps, self._crops):
                keys = map(bytes, transaction.cursor(database).iternext(values=False))
                strays.update(key for key in keys if key not in known)
        except UNREADABLE_PAGES as error:
            _logger.warning("not all feature maps and crops without metadata could be looked for: %s", error)
        return sorted(strays)

    def walk_set_aside(self, transaction: "lmdb.Transaction[memoryview]") -> Iterator[tuple[bytes, bytes]]:
        """The keys and entries of those set aside, in a transaction."""
        if self._set_aside is not None:
            with self._walking():
                for key, entry in transaction.cursor(self._set_aside):
                    yield bytes(key), bytes(entry)

    def _feature_map_of(
        self, transaction: "lmdb.Transaction[Any]", key: bytes, header: RecordHeader
    ) -> npt.NDArray[np.float16]:
        value = self._part(transaction, key, self._feature_maps, "feature map", header.feature_map_sha256)
        return decode_feature_map(value)

    def _crop_of(self, transaction: "lmdb.Transaction[Any]", key: bytes, header: RecordHeader) -> bytes:
        return bytes(self._part(transaction, key, self._crops, "crop", header.crop_sha256))

    def _part(
        self,
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

    def _iterate(
        self,
        decode: Callable[["lmdb.Transaction[memoryview]", bytes, bytes], Item],
        in_one_read: int,
        on_damaged: OnDamaged,
    ) -> Iterator[Item]:
        start: bytes | None = b""
        while start is not None:
            items, start = self._decode_from(start, decode, in_one_read, on_damaged)
            yield from items

    def _decode_from(
        self,
        start: bytes,
        decode: Callable[["lmdb.Transaction[memoryview]", bytes, bytes], Item],
        limit: int,
        on_damaged: OnDamaged,
    ) -> tuple[list[Item], bytes | None]:
        """What was read in one transaction, and where to go on: after a page that LMDB cannot read, in another."""
        items: list[Item] = []
        with self._environment.begin(buffers=True) as transaction:
            entries = self._entries_from(transaction, self._metadata, start, limit)
            for key, value in entries:
                try:
                    items.append(decode(transaction, key, value))
                except DamagedRecord as error:
                    on_damaged(decode_key(key), str(error))
                except UNREADABLE_PAGES as error:
                    on_damaged(decode_key(key), f"its pages cannot be read: {error}")
                    return items, _after(key)
        return items, _after(entries[-1][0]) if entries else None

    def _entries_from(
        self, transaction: "lmdb.Transaction[memoryview]", database: lmdb._Database, start: bytes, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """The entries from a key on, in the order of their keys.

        Raises:
            DamagedDatabase: LMDB cannot walk them, or they are in another order, in which nothing can be found.
        """
        found: list[tuple[bytes, bytes]] = []
        with self._walking(), transaction.cursor(database) as cursor:
            is_there = cursor.set_range(start) if start else cursor.first()
            while is_there and len(found) < limit:
                key = bytes(cursor.key())
                if key < start:
                    raise lmdb.CorruptedError(f"the key {key!r} stands behind {start!r}")
                found.append((key, bytes(cursor.value())))
                start = _after(key)
                is_there = cursor.next()
        return found

    def _metadata_to_erase(self, transaction: "lmdb.Transaction[bytes]", key: bytes) -> DetectionMetadata | None:
        value = transaction.get(key, db=self._metadata)
        if value is None:
            entry = transaction.get(key, db=self._set_aside)
            return None if entry is None else decode_set_aside(decode_key(key), entry).metadata
        try:
            return decode_metadata(value)
        except DamagedRecord as error:
            _logger.warning("the damaged record of detection %s was erased: %s", decode_key(key), error)
            return None

    def _remove(self, transaction: "lmdb.Transaction[bytes]", key: bytes) -> None:
        for database in self._all:
            transaction.delete(key, db=database)

    def _record_it_is_for(
        self, transaction: "lmdb.Transaction[bytes]", reindexed: ReindexedMap
    ) -> DetectionRecord | None:
        key = encode_key(reindexed.detection_id)
        value = transaction.get(key, db=self._metadata)
        if value is None:
            return None
        try:
            record = self.read_record(transaction, key, value)
        except DamagedRecord:
            return None
        return record if crop_digest(record.crop) == reindexed.crop_sha256 else None

    @contextmanager
    def _reading_pages(self) -> Iterator[None]:
        try:
            yield
        except UNREADABLE_PAGES as error:
            raise DamagedRecord(f"its pages cannot be read: {error}") from None

    @contextmanager
    def _walking(self) -> Iterator[None]:
        try:
            yield
        except UNREADABLE_PAGES as error:
            raise DamagedDatabase.found_in(self._environment.path(), error) from None


def _after(key: bytes) -> bytes:
    """The smallest key after one."""
    return key + b"\0"


def _header_of(key: bytes, value: bytes) -> RecordHeader:
    header = decode_header(value)
    if header.metadata.detection_id != decode_key(key):
        raise DamagedRecord(f"metadata is that of detection {header.metadata.detection_id!r}")
    return header
