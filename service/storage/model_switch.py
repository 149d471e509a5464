"""Moving the records of a service to another model: feature maps made anew take the places of the old ones."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import lmdb

from service.errors import StorageFull
from service.storage.file_lock import FileLock
from service.storage.gallery_model import GalleryModel, GalleryModelEntry
from service.storage.record_databases import RecordDatabases
from service.storage.reindex_lock import acquire_reindex_lock
from service.storage.reindexed_maps import ReindexedMap

Write = Callable[[Callable[["lmdb.Transaction[bytes]"], int]], Awaitable[int]]

# As many as are erased in one transaction, for the same reason.
_DROPPED_IN_ONE_TRANSACTION = 64


class ModelSwitch:
    """What of the store a switch uses. Part of `DetectionStore`, and closed with it.

    Args:
        environment: the store's.
        databases: the store's.
        write: runs a function in a transaction and answers when that is on the disk; `DetectionStore` has it.
        capacity_bytes: remembered on the disk, for a reindex to keep to.
    """

    def __init__(
        self, environment: lmdb.Environment, databases: RecordDatabases, write: Write, capacity_bytes: int
    ) -> None:
        self._environment = environment
        self._databases = databases
        self._write = write
        self._entry = GalleryModelEntry(environment)
        self._lock: FileLock | None = None
        self._remember_capacity(capacity_bytes)

    @property
    def model(self) -> GalleryModel:
        """Which model the gallery is of, and which one it is on the way to."""
        with self._environment.begin() as transaction:
            return self._entry.read(transaction)

    def remember(self, model: GalleryModel) -> None:
        """Writes it down, if it is news: a service starts on a full disk too. Blocks: for the start of a service."""
        if model == self.model:
            return
        with self._environment.begin(write=True) as transaction:
            self._entry.write(transaction, model)

    @property
    def is_locked(self) -> bool:
        """Whether a switch may begin: `lock` was called and succeeded."""
        return self._lock is not None

    def lock(self) -> None:
        """Keeps every reindex away until the switch is finished or the store closed.

        Raises:
            ReindexRunning: one is running.
        """
        if self._lock is None:
            self._lock = acquire_reindex_lock(Path(self._environment.path()).parent)

    def get_reindexed(self, detection_id: str) -> ReindexedMap | None:
        """The map that a reindex made for a detection; None if there is none, or a damaged one."""
        with self._environment.begin() as transaction:
            return self._databases.reindexed.get(transaction, detection_id)

    async def adopt(self, maps: Sequence[ReindexedMap]) -> int:
        """Puts maps into their records, all of them in one transaction, or in several where space is short.

        Returns:
            How many records took theirs: not those that are gone or have another crop by now.

        Raises:
            StorageFull, QueueFull, lmdb.Error: as `DetectionStore.put`; those adopted before stay adopted.
        """
        try:
            return await self._write(lambda transaction: sum(self._databases.adopt(transaction, each) for each in maps))
        except StorageFull:
            if len(maps) <= 1:
                raise
            half = len(maps) // 2
            return await self.adopt(maps[:half]) + await self.adopt(maps[half:])

    async def finish(self, fingerprint: str) -> None:
        """The gallery is of this model from now on; what is left of the reindex goes."""
        while await self._write(self._drop_some):
            pass
        await self._write(lambda transaction: self._settle(transaction, fingerprint))
        self.close()

    def forget_dead_readers(self) -> int:
        """Frees what a process that was killed while it read still holds, so that its pages can be used again."""
        return self._environment.reader_check()

    def close(self) -> None:
        """Lets others reindex. May be called twice."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _remember_capacity(self, capacity_bytes: int) -> None:
        with self._environment.begin() as transaction:
            is_known = self._entry.read_capacity_bytes(transaction) == capacity_bytes
        if not is_known:
            with self._environment.begin(write=True) as transaction:
                self._entry.write_capacity_bytes(transaction, capacity_bytes)

    def _drop_some(self, transaction: "lmdb.Transaction[bytes]") -> int:
        return self._databases.reindexed.delete_some(transaction, _DROPPED_IN_ONE_TRANSACTION)

    def _settle(self, transaction: "lmdb.Transaction[bytes]", fingerprint: str) -> int:
        self._entry.write(transaction, GalleryModel(fingerprint))
        return 0
