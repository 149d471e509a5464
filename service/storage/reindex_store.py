"""The records as another process than the service sees them, which makes feature maps anew while the service serves.

LMDB lets several processes read and write; their write transactions take turns. Those here are short, and so are the
reads. No record is changed: the maps made anew lie beside them.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

import lmdb
import numpy as np
import numpy.typing as npt

from service.errors import StorageFull
from service.records import DetectionMetadata, DetectionRecord
from service.storage.gallery_model import GalleryModel, GalleryModelEntry
from service.storage.named_databases import MAX_DATABASES
from service.storage.page_buffers import overwrite_buffers
from service.storage.record_databases import RecordDatabases
from service.storage.record_encoding import DamagedRecord
from service.storage.record_map_size import fit_capacity, map_size_bytes
from service.storage.record_walker import OnDamaged
from service.storage.reindexed_maps import ReindexedMap, crop_digest

Result = TypeVar("Result")

_DROPPED_IN_ONE_TRANSACTION = 64


class NoGallery(RuntimeError):  # noqa: N818 - a state that the operator is told of
    """There are no records in this data directory."""


class ReindexEnded(RuntimeError):  # noqa: N818 - a state that the operator is told of
    """The reindex was dropped while it ran: the gallery was emptied and its service started anew."""


class ReindexStore:
    """The records of a data directory, beside its service; also where no service runs."""

    def __init__(self, environment: lmdb.Environment, capacity_bytes: int) -> None:
        self._environment = environment
        self._capacity_bytes = capacity_bytes
        self._databases = RecordDatabases(environment)
        self._entry = GalleryModelEntry(environment)
        self._map(capacity_bytes)
        self._keep_to_capacity()

    @classmethod
    def open(cls, data_dir: Path, capacity_bytes: int) -> Self:
        """Opens the records of a data directory that a service has made.

        Args:
            data_dir: the service's.
            capacity_bytes: what the records may take, where no service has written down what it lets them take.

        Raises:
            NoGallery: there are none, or none that can be opened.
        """
        records_dir = data_dir / "records"
        if not (records_dir / "data.mdb").is_file():
            raise NoGallery(f"there are no records in {data_dir}: name the data directory of a service (--data-dir)")
        try:
            environment = lmdb.open(os.fspath(records_dir), map_size=0, max_dbs=MAX_DATABASES, mode=0o600, create=False)
        except lmdb.Error as error:
            raise NoGallery(f"the records in {data_dir} cannot be opened as this user, or at all: {error}") from None
        try:
            environment.reader_check()  # what a reindex that was killed still holds
            return cls(environment, capacity_bytes)
        except BaseException:
            environment.close()
            raise

    def close(self) -> None:
        """Closes the files."""
        self._environment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def model(self) -> GalleryModel:
        """Which model the gallery is of, and which one it is on the way to."""
        return self._read(self._entry.read)

    @property
    def free_bytes(self) -> int:
        """What is left of the capacity, or of the disk where that is less."""
        disk = os.statvfs(self._environment.path())
        used = self._read(self._databases.used_bytes)
        return min(self._capacity_bytes - used, disk.f_bavail * disk.f_frsize)

    def count_reindexed(self) -> int:
        """How many maps made anew there are."""
        return self._read(self._databases.reindexed.count)

    def remember_reindex(self, fingerprint: str | None) -> None:
        """Writes down which model maps are made anew for; None where for none."""
        with self._writing() as transaction:
            self._entry.write(transaction, replace(self._entry.read(transaction), reindexing_to=fingerprint))

    def list_metadata(self, on_damaged: OnDamaged) -> list[DetectionMetadata]:
        """All metadata, ordered by ID; what is damaged goes to `on_damaged(detection_id, reason)`."""
        return self._with_growth(lambda: list(self._databases.walker.iterate_metadata(on_damaged)))

    def get_record(self, detection_id: str) -> DetectionRecord | None:
        """The whole record of a detection; None if there is none. Raises DamagedRecord if it cannot be read."""
        return self._with_growth(lambda: self._databases.reader.get_record(detection_id))

    def get_feature_map(self, detection_id: str) -> npt.NDArray[np.float16] | None:
        """The feature map in a detection's record; None if there is none. Raises DamagedRecord."""
        return self._with_growth(lambda: self._databases.reader.get_feature_map(detection_id))

    def get_fresh(self, detection_id: str, fingerprint: str) -> ReindexedMap | None:
        """The map of this model made anew from the crop that a detection has now; None if there is none."""
        reindexed = self._read(lambda transaction: self._databases.reindexed.get(transaction, detection_id))
        if reindexed is None or reindexed.fingerprint != fingerprint:
            return None
        try:
            crop = self._with_growth(lambda: self._databases.reader.get_crop(detection_id))
        except DamagedRecord:
            return None
        return reindexed if crop is not None and crop_digest(crop) == reindexed.crop_sha256 else None

    def stage(self, maps: Sequence[ReindexedMap]) -> int:
        """Keeps maps beside their records, all or none; on the disk when this returns.

        Returns:
            How many were kept: not those whose record is gone or has another crop by now.

        Raises:
            StorageFull: there is no room; none was kept.
            ReindexEnded: the maps are wanted no more.
        """
        with self._writing() as transaction:
            reindexing_to = self._entry.read(transaction).reindexing_to
            if any(each.fingerprint != reindexing_to for each in maps):
                raise ReindexEnded("the gallery was emptied and its service started anew: nothing is left to be done")
            kept = sum(self._databases.stage(transaction, each) for each in maps)
            if self._databases.used_bytes(transaction) > self._capacity_bytes:
                raise self._full()
        return kept

    def drop_some_reindexed(self) -> int:
        """Drops some of the maps made anew; how many, 0 where none were left."""
        with self._writing() as transaction:
            return self._databases.reindexed.delete_some(transaction, _DROPPED_IN_ONE_TRANSACTION)

    @contextmanager
    def _writing(self) -> Iterator["lmdb.Transaction[bytes]"]:
        self._keep_to_capacity()
        try:
            self._overwrite_buffers()
            with self._environment.begin(write=True) as transaction:
                yield transaction
        except lmdb.MapFullError:
            raise self._full() from None
        except lmdb.Error as error:
            if error.code in {errno.ENOSPC, errno.EDQUOT}:
                raise StorageFull(
                    f"the disk of {self._environment.path()} is full: free space on it, and run the same command again"
                ) from None
            raise

    def _overwrite_buffers(self) -> None:
        """Lest pages of this transaction hold what an earlier one had, and the service erased meanwhile."""
        descriptor = os.open(Path(self._environment.path()) / "data.mdb", os.O_RDONLY | os.O_CLOEXEC)
        writer = self._environment.begin(write=True)
        try:
            overwrite_buffers(self._environment, writer, descriptor)
        finally:
            writer.abort()
            os.close(descriptor)

    def _read(self, read: Callable[["lmdb.Transaction[bytes]"], Result]) -> Result:
        def in_transaction() -> Result:
            with self._environment.begin() as transaction:
                return read(transaction)

        return self._with_growth(in_transaction)

    def _with_growth(self, read: Callable[[], Result]) -> Result:
        """Repeats a read where a service with a larger capacity has let the file outgrow this process's map."""
        try:
            return read()
        except lmdb.MapResizedError:
            self._environment.set_mapsize(0)
            return read()

    def _keep_to_capacity(self) -> None:
        """Takes the service's own map size: a file grown beyond that could not be read by the service."""
        capacity_bytes = self._read(self._entry.read_capacity_bytes)
        if capacity_bytes is not None and capacity_bytes != self._capacity_bytes:
            self._capacity_bytes = capacity_bytes
            self._map(capacity_bytes)

    def _map(self, capacity_bytes: int) -> None:
        """Maps as much as the service does, or what this process's address space has room for."""
        room_bytes = fit_capacity(capacity_bytes, Path(self._environment.path()))
        self._environment.set_mapsize(map_size_bytes(room_bytes))

    def _full(self) -> StorageFull:
        return StorageFull(
            f"the records in {self._environment.path()} and the maps made anew would take more than "
            f"{self._capacity_bytes:,} bytes: raise QACONV_DISK_CAPACITY_BYTES of the service, start it again, and run "
            "the same command again"
        )
