"""Copies all records of an environment, as they are at one moment, into a new one that holds nothing else.

Record by record and not page by page: each is checked on its way, one that is damaged is set aside in the copy, and the
copy has no free pages with what was erased. All is read in one transaction, so writes go on meanwhile and are not seen;
the pages that they free are not used again until the copy is done, and the file grows by as much.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import lmdb

from service.records import DetectionMetadata
from service.storage.address_space import fit_map
from service.storage.damaged_database import UNREADABLE_PAGES, DamagedDatabase
from service.storage.durable_files import make_private_directory, sync_path
from service.storage.named_databases import CROPS, FEATURE_MAPS, MAX_DATABASES, METADATA, REINDEXED_MAPS, SET_ASIDE
from service.storage.record_databases import RecordDatabases
from service.storage.record_encoding import DamagedRecord, decode_key
from service.storage.set_aside_encoding import DamagedParts, decode_set_aside, encode_set_aside

IsLeftOut = Callable[[str, DetectionMetadata | None], bool]

# The copy's transactions: some 13 MB of records, which LMDB keeps in memory until they are committed.
_RECORDS_IN_ONE_WRITE = 256
# Each page that LMDB cannot read costs another pass; more of them, and it is no single record that is damaged.
_MOST_UNREADABLE = 16
# What a copy takes beyond its records' pages: pages of the tree that are written anew by each transaction.
_OVERHEAD_BYTES = 4 * 2**20
# Address space, not memory: more than a service lets its records grow to while they are read. Less where there is less.
_ADDRESS_BYTES = 2**42
_RECORDS = {METADATA, FEATURE_MAPS, CROPS, SET_ASIDE, REINDEXED_MAPS}


@dataclass(slots=True)
class CopiedRecords:
    """What a copy holds.

    Attributes:
        records: readable ones.
        models: records of each model's fingerprint.
        damaged: those that this copy set aside, and why; `set_aside` counts all of the copy.
        left_out: those that were not wanted in the copy.
    """

    records: int = 0
    models: Counter[str] = field(default_factory=Counter)
    damaged: dict[str, str] = field(default_factory=dict)
    set_aside: int = 0
    left_out: list[str] = field(default_factory=list)


class _UnreadablePages(Exception):  # noqa: N818 - found by whom it concerns
    def __init__(self, key: bytes, reason: str) -> None:
        super().__init__(reason)
        self.key = key


def leave_nothing_out(_detection_id: str, _metadata: DetectionMetadata | None) -> bool:
    """For a copy of everything."""
    return False


@contextmanager
def open_for_reading(records_dir: Path, *, is_shared: bool) -> Iterator[lmdb.Environment]:
    """An environment that is not written to.

    Args:
        records_dir: holds `data.mdb`.
        is_shared: a service may be writing there; its lock file is used, by which LMDB knows its readers.

    Raises:
        FileNotFoundError: there are no records.
        DamagedDatabase: what is there is no database.
        AddressSpaceError: the address space of this process has no room for it.
    """
    data_file = records_dir / "data.mdb"
    if not data_file.is_file():
        raise FileNotFoundError(f"there are no records: {data_file} is not there")
    map_size = fit_map(_ADDRESS_BYTES, data_file.stat().st_size, data_file)
    try:
        environment = lmdb.open(
            os.fspath(records_dir),
            map_size=map_size,
            readonly=True,
            lock=is_shared,
            mode=0o600,
            max_dbs=MAX_DATABASES,
        )
    except (lmdb.InvalidError, lmdb.VersionMismatchError, *UNREADABLE_PAGES) as error:
        raise DamagedDatabase.found_in(os.fspath(records_dir), error) from error
    with environment:
        yield environment


def estimate_copy_bytes(source: lmdb.Environment) -> int:
    """How much of a disk a copy takes at most."""
    databases = [source.open_db(name) for name in _database_names(source)]
    with source.begin() as transaction:
        statistics = [transaction.stat(database) for database in databases]
    pages = sum(each["branch_pages"] + each["leaf_pages"] + each["overflow_pages"] for each in statistics)
    return pages * source.stat()["psize"] * 101 // 100 + _OVERHEAD_BYTES


def copy_records(
    source: lmdb.Environment, target_dir: Path, now_us: int, is_left_out: IsLeftOut = leave_nothing_out
) -> CopiedRecords:
    """Copy what an environment holds at one moment into a new folder and wait for the disk.

    Args:
        source: what is copied.
        target_dir: is made.
        now_us: when what is damaged is set aside.
        is_left_out: which detections are not to be in the copy, by ID and, where it can be read, metadata.

    Raises:
        DamagedDatabase: the database itself cannot be walked.
        lmdb.Error: the copy cannot be written.
        AddressSpaceError: the address space of this process has no room for it.
    """
    unreadable: dict[bytes, str] = {}
    make_private_directory(target_dir)
    while True:
        try:
            with _new_environment(target_dir, estimate_copy_bytes(source)) as target:
                return _Copying(source, target, now_us, is_left_out, unreadable).run()
        except _UnreadablePages as error:
            if len(unreadable) == _MOST_UNREADABLE:
                raise DamagedDatabase.found_in(source.path(), error) from error
            # The transaction is of no more use: a new one, of a later moment, begins anew and passes over the record.
            unreadable[error.key] = str(error)
            (target_dir / "data.mdb").unlink()


@contextmanager
def _new_environment(target_dir: Path, estimated_bytes: int) -> Iterator[lmdb.Environment]:
    map_size = fit_map(_ADDRESS_BYTES, estimated_bytes, target_dir / "data.mdb")
    with lmdb.open(
        os.fspath(target_dir), map_size=map_size, max_dbs=MAX_DATABASES, mode=0o600, lock=False, sync=False
    ) as target:
        yield target
        target.sync(True)
    sync_path(target_dir / "data.mdb")
    sync_path(target_dir)


class _Copying:
    """One pass."""

    def __init__(
        self,
        source: lmdb.Environment,
        target: lmdb.Environment,
        now_us: int,
        is_left_out: IsLeftOut,
        unreadable: Mapping[bytes, str],
    ) -> None:
        self._source = source
        self._target = target
        self._now_us = now_us
        self._is_left_out = is_left_out
        self._unreadable = unreadable
        self._from = RecordDatabases(source)
        self._to = RecordDatabases(target)
        self._copied = CopiedRecords()
        # What other parts of the service keep beside the records, under keys of their own.
        others = [name for name in _database_names(source) if name not in _RECORDS]
        self._others = [(source.open_db(name), target.open_db(name)) for name in others]

    def run(self) -> CopiedRecords:
        with self._source.begin(buffers=True) as reading:
            keys = self._from.walker.walk(reading)
            while part := list(islice(keys, _RECORDS_IN_ONE_WRITE)):
                with self._target.begin(write=True) as writing:
                    for key in part:
                        self._copy(reading, writing, key)
            with self._target.begin(write=True) as writing:
                for key, entry in self._from.walker.walk_set_aside(reading):
                    self._put_set_aside(writing, key, entry)
                self._copy_others(reading, writing)
                for key in self._from.walker.find_strays(reading, is_any_damaged=bool(self._copied.damaged)):
                    self._set_aside(writing, key, "there is no metadata", DamagedParts())
        self._copied.set_aside = self._to.count_set_aside()
        return self._copied

    def _copy(self, reading: "lmdb.Transaction[memoryview]", writing: "lmdb.Transaction[bytes]", key: bytes) -> None:
        try:
            if key in self._unreadable:
                self._set_aside(writing, key, self._unreadable[key], DamagedParts())
                return
            metadata, record = self._from.reader.read_encoded(reading, key)
        except DamagedRecord as error:
            self._set_aside(writing, key, str(error), self._from.reader.read_parts(reading, key))
            return
        except UNREADABLE_PAGES as error:
            raise _UnreadablePages(key, f"its pages cannot be read: {error}") from error
        if self._is_left_out(metadata.detection_id, metadata):
            self._copied.left_out.append(metadata.detection_id)
            return
        self._to.put(writing, record)
        self._to.reindexed.put_encoded(writing, key, self._from.reindexed.get_encoded(reading, key))
        self._copied.records += 1
        self._copied.models[metadata.model_fingerprint] += 1

    def _set_aside(self, writing: "lmdb.Transaction[bytes]", key: bytes, reason: str, parts: DamagedParts) -> None:
        if self._put_set_aside(writing, key, encode_set_aside(reason, self._now_us, parts)):
            self._copied.damaged[decode_key(key)] = reason

    def _put_set_aside(self, writing: "lmdb.Transaction[bytes]", key: bytes, entry: bytes) -> bool:
        detection_id = decode_key(key)
        if self._is_left_out(detection_id, decode_set_aside(detection_id, entry).metadata):
            self._copied.left_out.append(detection_id)
            return False
        self._to.put_set_aside(writing, key, entry)
        return True

    def _copy_others(self, reading: "lmdb.Transaction[memoryview]", writing: "lmdb.Transaction[bytes]") -> None:
        for source, target in self._others:
            for key, value in reading.cursor(source):
                writing.put(bytes(key), bytes(value), db=target)


def _database_names(environment: lmdb.Environment) -> list[bytes]:
    with environment.begin() as transaction:
        return list(transaction.cursor().iternext(values=False))
