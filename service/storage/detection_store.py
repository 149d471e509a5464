"""The records of all detections on disk: the truth, from which Redis and the device's memory can be rebuilt.

One transaction writes all parts of a record, and a commit is synchronised with the disk, so that an answered write
survives the process and half a record never exists. Files are private to the service's user: these are pictures of
people.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self, TypeVar

import lmdb
import numpy as np
import numpy.typing as npt

from service.errors import StorageFull
from service.metrics import Metrics
from service.records import DetectionMetadata, DetectionRecord
from service.storage.data_directory_lock import DataDirectoryLock
from service.storage.disk_reserve import DiskReserve
from service.storage.durable_directory import make_directory, make_environment
from service.storage.erasure_receipts import ErasureReceipts
from service.storage.group_commit import GroupCommit
from service.storage.model_switch import ModelSwitch
from service.storage.page_scrubber import PageScrubber, ScrubReport
from service.storage.record_databases import (
    MAX_DATABASES,
    UNREADABLE_PAGES,
    DamagedDatabase,
    OnDamaged,
    RecordDatabases,
)
from service.storage.record_encoding import DamagedRecord, EncodedRecord, encode_key, encode_record
from service.storage.record_map_size import RESERVE_BYTES, map_size_bytes
from service.storage.set_aside_encoding import SetAsideRecord

Result = TypeVar("Result")

# LMDB copies the pages that a transaction touches. Deleting this many scattered records touches below 400 pages of
# 4 KiB; the reserve, of the memory map and of the disk, therefore lets a full store still be emptied.
_DELETED_IN_ONE_TRANSACTION = 64

# Where a backup is restored to before it is whole (`backup_restoration`).
RESTORING = "restoring"

_FULL_DISK_BYTES = 2**20

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
        self._reserve = DiskReserve(Path(environment.path()) / "reserve", RESERVE_BYTES)
        self._reserve_door = asyncio.Lock()
        self._reserve.hold()
        self._writer = GroupCommit(environment, max_waiting, metrics)
        self.model_switch = ModelSwitch(environment, self._databases, self._write, capacity_bytes)
        self.receipts = ErasureReceipts(environment, self._write_with_reserve)
        self._scrubber = PageScrubber(environment)
        # The first scrub is due at once: what an earlier process left is not known.
        self._scrubs_requested, self._scrubs_served = 1, 0

    @classmethod
    def open(
        cls, data_dir: Path, capacity_bytes: int = 2**40, max_waiting: int = 512, metrics: Metrics | None = None
    ) -> Self:
        """Open the store of a data directory; both are made if they are not there.

        Args:
            data_dir: the directory; the store takes `lock` and `records/` in it.
            capacity_bytes: how much of the disk the records may take. Address space of that size is reserved.
            max_waiting: how many writes may wait for the disk.
            metrics: where commits are counted.

        Raises:
            DataDirectoryInUse: another process has this directory.
            RestoreInterrupted: a backup was being restored into it, and is not whole.
            DamagedDatabase: what is there is no database any more.
            lmdb.Error: what is there cannot be opened.
        """
        make_directory(data_dir)
        lock = DataDirectoryLock.acquire(data_dir)
        try:
            _refuse_interrupted_restore(data_dir)
            records_dir = data_dir / "records"
            make_environment(records_dir)
            map_size = map_size_bytes(capacity_bytes)
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
        is_new = await self._write(lambda transaction: self._put_within_capacity(transaction, encoded))
        if not is_new:
            self.request_scrub()
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
                self._databases.require_sound(detection_id)
            except DamagedRecord:
                return self._databases.set_aside(transaction, key, reason, at_us)
            return False

        return await self._write_with_reserve(move, continues=True)

    def get_metadata(self, detection_id: str) -> DetectionMetadata | None:
        """The metadata of a detection; None if there is none. Raises DamagedRecord if it cannot be read."""
        return self._databases.get_metadata(detection_id)

    def get_record(self, detection_id: str) -> DetectionRecord | None:
        """The whole record of a detection; None if there is none. Raises DamagedRecord if it cannot be read."""
        return self._databases.get_record(detection_id)

    def get_crop(self, detection_id: str) -> bytes | None:
        """The image file of a detection as it was sent; None if there is none. Raises DamagedRecord."""
        return self._databases.get_crop(detection_id)

    def get_feature_map(self, detection_id: str) -> npt.NDArray[np.float16] | None:
        """The feature map of a detection, float16 [d, h, w]; None if there is none. Raises DamagedRecord."""
        return self._databases.get_feature_map(detection_id)

    def holds(self, detection_id: str) -> bool:
        """Whether there is anything of a detection: a record, a damaged one, or one that was set aside."""
        return self._databases.holds(detection_id)

    def get_set_aside(self, detection_id: str) -> SetAsideRecord | None:
        """The damaged record of that ID that was set aside; None if there is none."""
        return self._databases.get_set_aside(detection_id)

    def request_scrub(self) -> None:
        """Note that something was erased or replaced, whose bytes are still in the file."""
        self._scrubs_requested += 1

    @property
    def is_scrub_due(self) -> bool:
        """Whether bytes of erased or replaced records may be left in the file."""
        return self._scrubs_served < self._scrubs_requested

    def scrub(self) -> ScrubReport:
        """Overwrite what the file has left of all that was erased or replaced before. Errors: `PageScrubber.scrub`."""
        requested = self._scrubs_requested
        report = self._scrubber.scrub()
        self._scrubs_served = requested
        return report

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
        with self._environment.begin() as transaction:
            return self._databases.used_bytes(transaction)

    @property
    def capacity_bytes(self) -> int:
        """How much of the disk the records may take."""
        return self._capacity_bytes

    def free_disk_bytes(self) -> int:
        """What the disk of the records has left for this user."""
        disk = os.statvfs(self._environment.path())
        return disk.f_bavail * disk.f_frsize

    def iterate_metadata(self, on_damaged: OnDamaged = log_damaged) -> Iterator[DetectionMetadata]:
        """All metadata, ordered by ID; what is damaged goes to `on_damaged(detection_id, reason)` and is skipped."""
        return self._databases.iterate_metadata(on_damaged)

    def iterate_records(self, on_damaged: OnDamaged = log_damaged) -> Iterator[DetectionRecord]:
        """All records, ordered by ID; what is damaged goes to `on_damaged(detection_id, reason)` and is skipped."""
        return self._databases.iterate_records(on_damaged)

    def iterate_set_aside(self) -> Iterator[SetAsideRecord]:
        """The damaged records that were set aside, ordered by ID. `delete` erases them as it does the others."""
        return self._databases.iterate_set_aside()

    def _put_within_capacity(self, transaction: "lmdb.Transaction[bytes]", record: EncodedRecord) -> bool:
        is_new = self._databases.put(transaction, record)
        if self._databases.used_bytes(transaction) > self._capacity_bytes:
            raise self._capacity_exhausted()
        return is_new

    async def _delete_together(self, keys: Sequence[bytes], *, continues: bool) -> list[DetectionMetadata]:
        return await self._write_with_reserve(
            lambda transaction: self._databases.delete(transaction, keys), continues=continues
        )

    async def _write_with_reserve(
        self, apply: Callable[["lmdb.Transaction[bytes]"], Result], *, continues: bool
    ) -> Result:
        """A write that is not to fail for want of space."""

        def apply_without_reserve(transaction: "lmdb.Transaction[bytes]") -> Result:
            self._reserve.release()  # by the writer itself, so that few other writes can take the space first
            return apply(transaction)

        try:
            return await self._write(apply, continues=continues)
        except StorageFull:
            pass
        except lmdb.Error as error:
            # Cut short by a full disk, which does not show any more where another has given up the reserve since.
            if error.code != errno.EIO:
                raise
        # One at a time: the reserve is not to be taken again while another still needs the space.
        async with self._reserve_door:
            result = await self._write(apply_without_reserve, continues=True)
            await asyncio.to_thread(self._reserve.hold)
            return result

    async def _write(self, apply: Callable[["lmdb.Transaction[bytes]"], Result], *, continues: bool = False) -> Result:
        try:
            return await self._writer.write(apply, continues=continues)
        except lmdb.MapFullError:
            raise self._capacity_exhausted() from None
        except UNREADABLE_PAGES as error:
            raise DamagedDatabase.found_in(self._environment.path(), error) from error
        except lmdb.Error as error:
            if self._is_disk_full(error):
                raise self._disk_exhausted() from None
            raise

    def _is_disk_full(self, error: lmdb.Error) -> bool:
        # The write that takes the last of a disk is cut short, which LMDB calls an input/output error.
        is_cut_short = error.code == errno.EIO and self.free_disk_bytes() < _FULL_DISK_BYTES
        return is_cut_short or error.code in {errno.ENOSPC, errno.EDQUOT}

    def _capacity_exhausted(self) -> StorageFull:
        return StorageFull(
            f"the record is too large for what is left: the records in {self._environment.path()} take "
            f"{self.used_bytes():,} of at most {self._capacity_bytes:,} bytes. Erase detections, or raise "
            "QACONV_DISK_CAPACITY_BYTES and start the service again"
        )

    def _disk_exhausted(self) -> StorageFull:
        return StorageFull(
            f"the disk of {self._environment.path()} is full: {self.free_disk_bytes():,} bytes are free; the "
            f"records take {self.used_bytes():,}. Free space on that disk, or erase detections"
        )


def _refuse_interrupted_restore(data_dir: Path) -> None:
    if (data_dir / RESTORING).exists():
        raise RestoreInterrupted(
            f"a backup was being restored into {data_dir} and did not come to its end: run qaconv-service backup "
            "restore again, or empty that directory"
        )
