"""Writes to the records' environment: in groups, and what becomes of them where the capacity or the disk is full."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import lmdb

from service.errors import StorageFull
from service.observability.metrics import Metrics
from service.storage.damaged_database import UNREADABLE_PAGES, DamagedDatabase
from service.storage.disk_reserve import DiskReserve
from service.storage.group_commit import GroupCommit
from service.storage.record_databases import RecordDatabases
from service.storage.record_map_size import RESERVE_BYTES

Result = TypeVar("Result")

_FULL_DISK_BYTES = 2**20


class RecordWriter:
    """Runs functions in write transactions, and keeps space back for those that are not to fail for want of it.

    Args:
        environment: the records'.
        databases: theirs.
        capacity_bytes: how much of the disk they may take.
        max_waiting: how many writes may wait for the disk.
        metrics: where commits are counted.
    """

    def __init__(
        self,
        environment: lmdb.Environment,
        databases: RecordDatabases,
        capacity_bytes: int,
        max_waiting: int,
        metrics: Metrics | None,
    ) -> None:
        self._environment = environment
        self._databases = databases
        self._capacity_bytes = capacity_bytes
        self._reserve = DiskReserve(Path(environment.path()) / "reserve", RESERVE_BYTES)
        self._reserve_door = asyncio.Lock()
        self._reserve.hold()
        self._commits = GroupCommit(environment, max_waiting, metrics)

    @property
    def is_alive(self) -> bool:
        """Whether writes can still be answered; False once closed, or should the writing thread have died."""
        return self._commits.is_alive

    def close(self) -> None:
        """Finish the writes that wait. May be called twice."""
        self._commits.close()

    async def write(self, apply: Callable[["lmdb.Transaction[bytes]"], Result], *, continues: bool = False) -> Result:
        """Run a function in a write transaction, as `GroupCommit.write` does.

        Raises:
            StorageFull: the capacity or the disk is exhausted; nothing was written.
            QueueFull: too many writes wait for the disk.
            DamagedDatabase: LMDB cannot read what it would change.
            lmdb.Error: the disk failed; nothing was written.
        """
        try:
            return await self._commits.write(apply, continues=continues)
        except lmdb.MapFullError:
            raise self.capacity_exhausted() from None
        except UNREADABLE_PAGES as error:
            raise DamagedDatabase.found_in(self._environment.path(), error) from error
        except lmdb.Error as error:
            if self._is_disk_full(error):
                raise self._disk_exhausted() from None
            raise

    async def write_with_reserve(
        self, apply: Callable[["lmdb.Transaction[bytes]"], Result], *, continues: bool
    ) -> Result:
        """A write that is not to fail for want of space. Errors: as `write`, where even the reserve is no use."""

        def apply_without_reserve(transaction: "lmdb.Transaction[bytes]") -> Result:
            self._reserve.release()  # by the writer itself, so that few other writes can take the space first
            return apply(transaction)

        try:
            return await self.write(apply, continues=continues)
        except StorageFull:
            pass
        except lmdb.Error as error:
            # Cut short by a full disk, which does not show any more where another has given up the reserve since.
            if error.code != errno.EIO:
                raise
        # One at a time: the reserve is not to be taken again while another still needs the space.
        async with self._reserve_door:
            try:
                return await self.write(apply_without_reserve, continues=True)
            finally:
                await asyncio.to_thread(self._reserve.hold)

    def free_disk_bytes(self) -> int:
        """What the disk of the records has left for this user."""
        disk = os.statvfs(self._environment.path())
        return disk.f_bavail * disk.f_frsize

    def used_bytes(self) -> int:
        """How much of the capacity the records take."""
        with self._environment.begin() as transaction:
            return self._databases.used_bytes(transaction)

    def capacity_exhausted(self) -> StorageFull:
        """The error where a record would take more than the capacity."""
        return StorageFull(
            f"the record is too large for what is left: the records in {self._environment.path()} take "
            f"{self.used_bytes():,} of at most {self._capacity_bytes:,} bytes. Erase detections, or raise "
            "QACONV_DISK_CAPACITY_BYTES and start the service again"
        )

    def _is_disk_full(self, error: lmdb.Error) -> bool:
        # The write that takes the last of a disk is cut short, which LMDB calls an input/output error.
        is_cut_short = error.code == errno.EIO and self.free_disk_bytes() < _FULL_DISK_BYTES
        return is_cut_short or error.code in {errno.ENOSPC, errno.EDQUOT}

    def _disk_exhausted(self) -> StorageFull:
        return StorageFull(
            f"the disk of {self._environment.path()} is full: {self.free_disk_bytes():,} bytes are free; the "
            f"records take {self.used_bytes():,}. Free space on that disk, or erase detections"
        )
