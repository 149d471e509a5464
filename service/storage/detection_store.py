"""The records of all detections on disk: the truth, from which Redis and the device's memory can be rebuilt.

One transaction writes all parts of a record, and a commit is synchronised with the disk, so that an answered write
survives the process and half a record never exists. Files are private to the service's user: these are pictures of
people.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import lmdb
import numpy as np
import numpy.typing as npt

from service.observability.metrics import Metrics
from service.records import DetectionMetadata, DetectionRecord
from service.storage.damaged_database import UNREADABLE_PAGES, DamagedDatabase
from service.storage.data_directory_lock import DataDirectoryLock
from service.storage.due_scrubs import DueScrubs
from service.storage.durable_directory import keeps_private, make_directory, make_environment
from service.storage.erasure_receipts import ErasureReceipts
from service.storage.model_switch import ModelSwitch
from service.storage.named_databases import MAX_DATABASES
from service.storage.page_scrubber import PageScrubber, ScrubReport
from service.storage.record_databases import RecordDatabases
from service.storage.record_encoding import DamagedRecord, EncodedRecord, encode_key, encode_record
from service.storage.record_map_size import fit_capacity, map_size_bytes
from service.storage.record_walker import OnDamaged
from service.storage.record_writer import RecordWriter
from service.storage.set_aside_encoding import SetAsideRecord

# LMDB copies the pages that a transaction touches. Deleting this many scattered records touches below 400 pages of
# 4 KiB; the reserve, of the memory map and of the disk, therefore lets a full store still be emptied.
_DELETED_IN_ONE_TRANSACTION = 64

# Where a backup is restored to before it is whole (`backup_restoration`).
RESTORING = "restoring"

_logger = logging.getLogger(__name__)


def log_damaged(detection_id: str, reason: str) -> None:
    """Report a damaged record to the log; what iterating does unless it is given something else to do."""
    _logger.error("the record of detection %s is damaged and was skipped: %s", detection_id, reason)


class RestoreInterrupted(RuntimeError):  # noqa: N818 - as DataDirectoryInUse
    """A data directory holds part of a backup."""


class DetectionStore:
    """All records of one data directory, which is locked for as long as the store is open.

    Reads are synchronous and short: they follow a memory map. Writes are answered when they are on the disk.
    """

    def __init__(
        self,
        environment: lmdb.Environment,
        lock: DataDirectoryLock,
        capacity_bytes: int,
        max_waiting: int,
        metrics: Metrics | None = None,
    ) -> None:
        self._environment = environment
        self._lock = lock
        self._capacity_bytes = capacity_bytes
        self._databases = RecordDatabases(environment)
        self._writer = RecordWriter(environment, self._databases, capacity_bytes, max_waiting, metrics)
        self.model_switch = ModelSwitch(environment, self._databases, self._writer.write, capacity_bytes)
        self.receipts = ErasureReceipts(environment, self._writer.write_with_reserve)
        self._scrubber = PageScrubber(environment)
        self._due_scrubs = DueScrubs(self._scrubber)

    @classmethod
    def open(
        cls, data_dir: Path, capacity_bytes: int = 2**40, max_waiting: int = 512, metrics: Metrics | None = None
    ) -> Self:
        """Open the store of a data directory; both are made if they are not there.

        Args:
            data_dir: the directory; the store takes `lock` and `records/` in it.
            capacity_bytes: how much of the disk the records may take. Address space of that size is reserved; where
                there is not as much, they may take less.
            max_waiting: how many writes may wait for the disk.
            metrics: where commits are counted.

        Raises:
            DataDirectoryInUse: another process has this directory.
            RestoreInterrupted: a backup was being restored into it, and is not whole.
            DamagedDatabase: what is there is no database any more.
            AddressSpaceError: there is no room for what the records take already.
            lmdb.Error: what is there cannot be opened.
        """
        make_directory(data_dir)
        lock = DataDirectoryLock.acquire(data_dir)
        try:
            _refuse_interrupted_restore(data_dir)
            if not keeps_private(data_dir):
                _logger.warning(
                    "the file system of %s does not keep who may read a file: other users of this machine may read the "
                    "pictures in it. Mount it for this user alone (umask=077), or use another (QACONV_DATA_DIR)",
                    data_dir,
                )
            records_dir = data_dir / "records"
            make_environment(records_dir)
            room_bytes = fit_capacity(capacity_bytes, records_dir)
            if room_bytes < capacity_bytes:
                _logger.warning(
                    "the records may take %s bytes, and not %s (QACONV_DISK_CAPACITY_BYTES): the address space of this "
                    "process has no room for more (ulimit -v)",
                    f"{room_bytes:,}",
                    f"{capacity_bytes:,}",
                )
            capacity_bytes, map_size = room_bytes, map_size_bytes(room_bytes)
            try:
                environment = lmdb.open(os.fspath(records_dir), map_size=map_size, max_dbs=MAX_DATABASES, mode=0o600)
                return cls(environment, lock, capacity_bytes, max_waiting, metrics)
            except (lmdb.InvalidError, lmdb.VersionMismatchError, *UNREADABLE_PAGES) as error:
                raise DamagedDatabase.found_in(os.fspath(records_dir), error) from error
        except BaseException:
            lock.release()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether writes can still be answered; False once closed, or should the writing thread have died."""
        return self._writer.is_alive

    def close(self) -> None:
        """Finish the writes that wait, then close the files and give the directory back. May be called twice."""
        self._scrubber.close()
        self._writer.close()
        self.model_switch.close()
        self._environment.close()
        self._lock.release()

    async def put(self, record: DetectionRecord) -> bool:
        """Store a record, or replace the one of that ID.

        Returns:
            True if there was none of that ID before.

        Raises:
            StorageFull: the capacity or the disk is exhausted; nothing was stored.
            QueueFull: too many writes wait for the disk.
            lmdb.Error: the disk failed; nothing was stored.
        """
        encoded = encode_record(record)
        is_new, leaves_bytes = await self._writer.write(
            lambda transaction: self._put_within_capacity(transaction, encoded)
        )
        if leaves_bytes:
            self._due_scrubs.request_for_replacement()
        return is_new

    async def delete(self, detection_ids: Sequence[str]) -> list[DetectionMetadata]:
        """Erase records.

        Many are erased in several transactions; should one fail, those before it are done, and the same call again
        does the rest. A damaged record is erased and logged, but has no metadata to return.

        Returns:
            The metadata of those that were there, in the order of the IDs.

        Raises:
            StorageFull, QueueFull, lmdb.Error: as `put`.
        """
        erased: list[DetectionMetadata] = []
        try:
            for start in range(0, len(detection_ids), _DELETED_IN_ONE_TRANSACTION):
                part = detection_ids[start : start + _DELETED_IN_ONE_TRANSACTION]
                erased += await self._delete_together([encode_key(each) for each in part], continues=start > 0)
        finally:
            self.request_scrub()
        return erased

    async def set_aside(self, detection_id: str, reason: str, at_us: int) -> bool:
        """Move a damaged record to those set aside, its bytes with it; nothing where it is sound by now, or gone.

        Nobody else may write the same detection meanwhile.

        Args:
            detection_id: whose record it is.
            reason: what was wrong with it.
            at_us: when.

        Returns:
            Whether it was moved.

        Raises:
            StorageFull, QueueFull, lmdb.Error: as `put`; it stays where it is.
            DamagedDatabase: LMDB cannot move it.
        """
        key = encode_key(detection_id)

        def move(transaction: "lmdb.Transaction[bytes]") -> bool:
            try:
                self._databases.reader.require_sound(detection_id)
            except DamagedRecord:
                return self._databases.set_aside(transaction, key, reason, at_us)
            return False

        return await self._writer.write_with_reserve(move, continues=True)

    def get_metadata(self, detection_id: str) -> DetectionMetadata | None:
        """The metadata of a detection; None if there is none. Raises DamagedRecord if it cannot be read."""
        return self._databases.reader.get_metadata(detection_id)

    def get_record(self, detection_id: str) -> DetectionRecord | None:
        """The whole record of a detection; None if there is none. Raises DamagedRecord if it cannot be read."""
        return self._databases.reader.get_record(detection_id)

    def get_crop(self, detection_id: str) -> bytes | None:
        """The image file of a detection as it was sent; None if there is none. Raises DamagedRecord."""
        return self._databases.reader.get_crop(detection_id)

    def get_feature_map(self, detection_id: str) -> npt.NDArray[np.float16] | None:
        """The feature map of a detection, float16 [d, h, w]; None if there is none. Raises DamagedRecord."""
        return self._databases.reader.get_feature_map(detection_id)

    def holds(self, detection_id: str) -> bool:
        """Whether there is anything of a detection: a record, a damaged one, or one that was set aside."""
        return self._databases.reader.holds(detection_id)

    def get_set_aside(self, detection_id: str) -> SetAsideRecord | None:
        """The damaged record of that ID that was set aside; None if there is none."""
        return self._databases.reader.get_set_aside(detection_id)

    def request_scrub(self) -> None:
        """Note that something was erased, whose bytes are still in the file."""
        self._due_scrubs.request_for_erasure()

    @property
    def is_scrub_due(self) -> bool:
        """Whether bytes of erased or replaced records may be left in the file."""
        return self._due_scrubs.is_due

    @property
    def is_erasure_unscrubbed(self) -> bool:
        """Whether an erasure waits for a scrub, not only what was replaced."""
        return self._due_scrubs.is_due_for_erasure

    def scrub(self) -> ScrubReport:
        """Overwrite what the file has left of all that was erased or replaced before. Errors: `PageScrubber.scrub`."""
        return self._due_scrubs.scrub()

    def count_crops(self) -> int:
        """How many records have a crop."""
        return self._databases.count_crops()

    def count(self) -> int:
        """How many records there are, without those set aside."""
        return self._databases.count()

    def count_set_aside(self) -> int:
        """How many damaged records are set aside."""
        return self._databases.count_set_aside()

    def used_bytes(self) -> int:
        """How much of the capacity the records take."""
        return self._writer.used_bytes()

    @property
    def capacity_bytes(self) -> int:
        """How much of the disk the records may take."""
        return self._capacity_bytes

    def free_disk_bytes(self) -> int:
        """What the disk of the records has left for this user."""
        return self._writer.free_disk_bytes()

    def iterate_metadata(self, on_damaged: OnDamaged = log_damaged) -> Iterator[DetectionMetadata]:
        """All metadata, ordered by ID; what is damaged goes to `on_damaged(detection_id, reason)` and is skipped."""
        return self._databases.walker.iterate_metadata(on_damaged)

    def iterate_records(self, on_damaged: OnDamaged = log_damaged) -> Iterator[DetectionRecord]:
        """All records, ordered by ID; what is damaged goes to `on_damaged(detection_id, reason)` and is skipped."""
        return self._databases.walker.iterate_records(on_damaged)

    def iterate_set_aside(self) -> Iterator[SetAsideRecord]:
        """The damaged records that were set aside, ordered by ID. `delete` erases them as it does the others."""
        return self._databases.walker.iterate_set_aside()

    def _put_within_capacity(self, transaction: "lmdb.Transaction[bytes]", record: EncodedRecord) -> tuple[bool, bool]:
        """Whether there was no record of that ID before, and whether anything of one, be it set aside, was replaced."""
        leaves_bytes = self._databases.reader.has_any(transaction, record.key)
        is_new = self._databases.put(transaction, record)
        if self._databases.used_bytes(transaction) > self._capacity_bytes:
            raise self._writer.capacity_exhausted()
        return is_new, leaves_bytes

    async def _delete_together(self, keys: Sequence[bytes], *, continues: bool) -> list[DetectionMetadata]:
        return await self._writer.write_with_reserve(
            lambda transaction: self._databases.delete(transaction, keys), continues=continues
        )


def _refuse_interrupted_restore(data_dir: Path) -> None:
    if (data_dir / RESTORING).exists():
        raise RestoreInterrupted(
            f"a backup was being restored into {data_dir} and did not come to its end: run qaconv-service backup "
            "restore again, or empty that directory"
        )
