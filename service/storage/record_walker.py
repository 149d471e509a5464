"""Goes over all records in the order of their IDs, and over those set aside; what is damaged is named and skipped."""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import lmdb

from service.records import DetectionMetadata, DetectionRecord
from service.storage.damaged_database import UNREADABLE_PAGES, walking
from service.storage.named_databases import OpenDatabases
from service.storage.record_encoding import DamagedRecord, decode_key
from service.storage.record_reader import RecordReader, header_of
from service.storage.set_aside_encoding import SetAsideRecord, decode_set_aside

Item = TypeVar("Item")
Decode = Callable[["lmdb.Transaction[memoryview]", bytes, bytes], Item]
OnDamaged = Callable[[str, str], None]

# Read transactions are kept short, because pages that a reader may still see cannot be used again: 1,000 metadata
# are below a megabyte, 32 whole records about two.
_METADATA_IN_ONE_READ = 1000
_RECORDS_IN_ONE_READ = 32

_logger = logging.getLogger(__name__)


class RecordWalker:
    """`iterate_…` in many short transactions, of which each sees its own moment; `walk…` in the one that is given."""

    def __init__(self, environment: lmdb.Environment, databases: OpenDatabases, reader: RecordReader) -> None:
        self._environment = environment
        self._databases = databases
        self._reader = reader

    def iterate_metadata(self, on_damaged: OnDamaged) -> Iterator[DetectionMetadata]:
        """All metadata, ordered by ID; what is damaged goes to `on_damaged(detection_id, reason)` and is skipped."""
        return self._iterate(lambda _, key, value: header_of(key, value).metadata, _METADATA_IN_ONE_READ, on_damaged)

    def iterate_records(self, on_damaged: OnDamaged) -> Iterator[DetectionRecord]:
        """All records, ordered by ID; what is damaged goes to `on_damaged(detection_id, reason)` and is skipped.

        Then feature maps and crops without metadata, which are damaged too.
        """
        damaged: list[str] = []

        def note(detection_id: str, reason: str) -> None:
            damaged.append(detection_id)
            on_damaged(detection_id, reason)

        yield from self._iterate(self._reader.read_record, _RECORDS_IN_ONE_READ, note)
        with self._environment.begin(buffers=True) as transaction:
            strays = self.find_strays(transaction, is_any_damaged=bool(damaged))
        for key in strays:
            on_damaged(decode_key(key), "there is no metadata")

    def iterate_set_aside(self) -> Iterator[SetAsideRecord]:
        """The damaged records that were set aside, ordered by ID."""
        start = b""
        while self._databases.set_aside:
            with self._environment.begin(buffers=True) as transaction:
                entries = self._entries_from(transaction, self._databases.set_aside, start, _RECORDS_IN_ONE_READ)
            if not entries:
                return
            yield from (decode_set_aside(decode_key(key), value) for key, value in entries)
            start = _after(entries[-1][0])

    def walk(self, transaction: "lmdb.Transaction[memoryview]") -> Iterator[bytes]:
        """The keys of all records in a transaction, in order."""
        with walking(self._environment):
            yield from map(bytes, transaction.cursor(self._databases.metadata).iternext(values=False))

    def walk_set_aside(self, transaction: "lmdb.Transaction[memoryview]") -> Iterator[tuple[bytes, bytes]]:
        """The keys and entries of those set aside, in a transaction."""
        if self._databases.set_aside is not None:
            with walking(self._environment):
                for key, entry in transaction.cursor(self._databases.set_aside):
                    yield bytes(key), bytes(entry)

    def find_strays(self, transaction: "lmdb.Transaction[memoryview]", *, is_any_damaged: bool) -> list[bytes]:
        """Feature maps and crops of which there is no metadata; the last thing to ask of a transaction.

        Args:
            transaction: LMDB reads the pages of what it walks over, and one that it cannot read ends the transaction.
            is_any_damaged: whether a record was found damaged. Where none is, the numbers of entries tell.
        """
        entries = {transaction.stat(database)["entries"] for database in self._databases.parts}
        if not is_any_damaged and len(entries) == 1:
            return []
        strays: set[bytes] = set()
        try:
            known = set(map(bytes, transaction.cursor(self._databases.metadata).iternext(values=False)))
            for database in (self._databases.feature_maps, self._databases.crops):
                keys = map(bytes, transaction.cursor(database).iternext(values=False))
                strays.update(key for key in keys if key not in known)
        except UNREADABLE_PAGES as error:
            _logger.warning("not all feature maps and crops without metadata could be looked for: %s", error)
        return sorted(strays)

    def _iterate(self, decode: Decode[Item], in_one_read: int, on_damaged: OnDamaged) -> Iterator[Item]:
        start: bytes | None = b""
        while start is not None:
            items, start = self._decode_from(start, decode, in_one_read, on_damaged)
            yield from items

    def _decode_from(
        self, start: bytes, decode: Decode[Item], limit: int, on_damaged: OnDamaged
    ) -> tuple[list[Item], bytes | None]:
        """What was read in one transaction, and where to go on: after a page that LMDB cannot read, in another."""
        items: list[Item] = []
        with self._environment.begin(buffers=True) as transaction:
            entries = self._entries_from(transaction, self._databases.metadata, start, limit)
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
        with walking(self._environment), transaction.cursor(database) as cursor:
            is_there = cursor.set_range(start) if start else cursor.first()
            while is_there and len(found) < limit:
                key = bytes(cursor.key())
                if key < start:
                    raise lmdb.CorruptedError(f"the key {key!r} stands behind {start!r}")
                found.append((key, bytes(cursor.value())))
                start = _after(key)
                is_there = cursor.next()
        return found


def _after(key: bytes) -> bytes:
    """The smallest key after one."""
    return key + b"\0"
