"""The one way by which detections are written and erased: disk, then Redis, then the device's memory.

Each step may be repeated. A write whose disk step is done and whose later steps failed is *unsettled*: its client got
an error, the record is on disk, and the steps are repeated until they succeed.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from service.device_operations import DeviceOperations
from service.errors import ServiceError, StorageFull, Unavailable
from service.gallery.slot_table import SlotTable
from service.inference.device_worker import DeviceWorker
from service.observability.metrics import Metrics
from service.observability.stage_timing import ingest_stages
from service.records import DetectionFilter, DetectionMetadata, DetectionRecord
from service.storage.damaged_database import DamagedDatabase
from service.storage.detection_store import DetectionStore
from service.storage.metadata.metadata_index import MetadataIndex
from service.storage.record_encoding import DamagedRecord

Result = TypeVar("Result")
# Told what is stored under an ID and what is to take its place. Nothing is written yet; if it raises, nothing will be.
BeforeReplacing = Callable[[DetectionMetadata, DetectionRecord], Awaitable[None]]

EVERYTHING = DetectionFilter()

_logger = logging.getLogger(__name__)
# Of erasures that failed half-way; whoever has not asked again after so many others has given up.
_UNTOLD_AT_MOST = 1000


class DetectionWriter:
    """Writes and erases; those of one detection one after the other, those of different ones side by side."""

    def __init__(
        self,
        store: DetectionStore,
        index: MetadataIndex,
        slots: SlotTable,
        worker: DeviceWorker,
        operations: DeviceOperations,
        *,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._index = index
        self._slots = slots
        self._worker = worker
        self._operations = operations
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._in_flight: set[asyncio.Task[Any]] = set()
        self._is_paused = False
        self._unsettled: set[str] = set()
        # What was erased from the disk for a caller who was told that it failed: the same call again is to succeed.
        self._untold: dict[str, DetectionMetadata] = {}
        self._stages = ingest_stages(metrics)
        metrics.watch(
            "qaconv_unsettled_writes",
            "Detections whose record on disk is ahead of Redis or the device.",
            lambda: len(self._unsettled),
        )

    @property
    def unsettled(self) -> frozenset[str]:
        """Detections whose record on disk is ahead of Redis or the device."""
        return frozenset(self._unsettled)

    @property
    def is_idle(self) -> bool:
        """Whether no write is in flight or unsettled, so that disk and Redis should say the same."""
        return not self._in_flight and not self._unsettled

    async def put(self, record: DetectionRecord, before_replacing: BeforeReplacing | None = None) -> bool:
        """Stores or replaces a detection; True if it is new. When this returns, the next search sees it.

        Args:
            record: what is to be stored.
            before_replacing: asked where something is stored under the ID, be it damaged, before it is replaced.

        Raises:
            StorageFull: the gallery or the disk is full; nothing was written.
            Unavailable: Redis is away; the write is nothing or unsettled, and may be sent again.
        """
        return await self._to_the_end(self._put(record, before_replacing))

    async def erase(self, detection_id: str, chosen: DetectionFilter = EVERYTHING) -> DetectionMetadata | None:
        """Erases a detection from disk, Redis and device if a filter means it, and returns what it was, else None.

        Where an erasure failed after the disk's step, the same again returns it too, be it settled since or not.
        """
        return await self._to_the_end(self._erase(detection_id, chosen))

    async def erase_set_aside(self, detection_id: str) -> bool:
        """Erases a damaged record that was set aside; False where there is none, because a sound one replaced it."""
        return await self._to_the_end(self._erase_set_aside(detection_id))

    async def set_aside(self, detection_id: str, reason: str) -> None:
        """Takes a damaged record out of what is served, as an erasure does; nothing if it is sound by now, or gone.

        Raises:
            Unavailable: Redis is away; what is set aside on disk is unsettled.
        """
        await self._to_the_end(self._set_aside(detection_id, reason))

    async def settle(self) -> None:
        """Repeats the later steps of unsettled writes; one that fails again does not keep the others from theirs.

        Raises:
            Unavailable: Redis or the device is away, which is so for the others too.
            Exception: what the first that failed again raised.
        """
        failures: list[Exception] = []
        for detection_id in self.unsettled:
            try:
                await self._settle_one(detection_id)
            except Unavailable:
                raise
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Refuses writes meanwhile, after those in flight have ended: Redis is compared with the disk."""
        self._is_paused = True
        try:
            await self.finish()
            yield
        finally:
            self._is_paused = False

    async def finish(self) -> None:
        """Waits for the writes in flight."""
        while self._in_flight:
            await asyncio.wait(set(self._in_flight))

    async def _to_the_end(self, write: Coroutine[Any, Any, Result]) -> Result:
        """Runs a write in a task of its own: a caller that gives up does not leave it half done."""
        if self._is_paused:
            write.close()
            raise Unavailable("Redis is being brought in step with the disk, writes wait for it: try again")
        task = asyncio.create_task(write)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return await asyncio.shield(task)

    async def _put(self, record: DetectionRecord, before_replacing: BeforeReplacing | None) -> bool:
        detection_id = record.metadata.detection_id
        async with self._lock(detection_id):
            await self._index.require_writable(is_removal=False)
            if before_replacing is not None and self._store.holds(detection_id):
                stored = await self._known_of(detection_id)
                if stored is not None:
                    await before_replacing(stored, record)
            is_reserved_now = self._slots.reserve(detection_id)
            try:
                with self._unsettled_if_unknown(detection_id), self._stages.labels("disk").time():
                    is_new = await self._store.put(record)
            except ServiceError:
                if is_reserved_now:
                    self._slots.free(detection_id)
                raise
            self._untold.pop(detection_id, None)
            with self._unsettled_on_failure(detection_id):
                with self._stages.labels("redis").time():
                    await self._index.put(record.metadata)
                with self._stages.labels("device").time():
                    await self._worker.run_accepted(self._operations.put, record)
            return is_new

    async def _erase(self, detection_id: str, chosen: DetectionFilter) -> DetectionMetadata | None:
        async with self._lock(detection_id):
            await self._index.require_writable(is_removal=True)
            if chosen != EVERYTHING and not await self._is_meant(detection_id, chosen):
                return None
            with self._unsettled_if_unknown(detection_id):
                erased = await self._store.delete([detection_id])
            for metadata in erased:
                self._remember_untold(metadata)
            with self._unsettled_on_failure(detection_id):
                await self._remove_from_redis_and_device(detection_id)
            return self._untold.pop(detection_id, None)

    async def _erase_set_aside(self, detection_id: str) -> bool:
        async with self._lock(detection_id):
            if await asyncio.to_thread(self._store.get_set_aside, detection_id) is None:
                return False
            await self._store.delete([detection_id])  # Redis and the device know it no more
            return True

    async def _set_aside(self, detection_id: str, reason: str) -> None:
        async with self._lock(detection_id):
            if await self._move_aside(detection_id, reason):
                with self._unsettled_on_failure(detection_id):
                    await self._remove_from_redis_and_device(detection_id)

    async def _move_aside(self, detection_id: str, reason: str) -> bool:
        """Moves a damaged record on the disk; whether it is to be served no more. One that cannot be moved is not."""
        try:
            is_moved = await self._store.set_aside(detection_id, reason, time.time_ns() // 1000)
        except (StorageFull, DamagedDatabase) as error:
            _logger.error("detection %s is damaged (%s) and cannot be set aside: %s", detection_id, reason, error)
            return True
        if is_moved:
            _logger.error("detection %s is damaged and was set aside: %s", detection_id, reason)
        return is_moved

    async def _is_meant(self, detection_id: str, chosen: DetectionFilter) -> bool:
        metadata = await self._known_of(detection_id) or self._untold.get(detection_id)
        return metadata is not None and chosen.matches(metadata)

    async def _known_of(self, detection_id: str) -> DetectionMetadata | None:
        """What is known of a stored detection, a damaged one too; None where there is none, or nothing is known."""
        try:
            metadata = await asyncio.to_thread(self._store.get_metadata, detection_id)
        except DamagedRecord:
            (metadata,) = await self._index.get([detection_id])
        if metadata is None and (aside := await asyncio.to_thread(self._store.get_set_aside, detection_id)) is not None:
            metadata = aside.metadata
        return metadata

    def _remember_untold(self, metadata: DetectionMetadata) -> None:
        self._untold[metadata.detection_id] = metadata
        if len(self._untold) > _UNTOLD_AT_MOST:
            del self._untold[next(iter(self._untold))]

    async def _settle_one(self, detection_id: str) -> None:
        async with self._lock(detection_id):
            with self._unsettled_on_failure(detection_id):
                await self._follow_disk(detection_id)

    async def _follow_disk(self, detection_id: str) -> None:
        """Makes Redis and device agree with the disk for one detection."""
        try:
            record = await asyncio.to_thread(self._store.get_record, detection_id)
        except DamagedRecord as error:
            await self._move_aside(detection_id, str(error))
            record = None
        if record is None:
            await self._remove_from_redis_and_device(detection_id)
            return
        await self._index.put(record.metadata)
        self._slots.reserve(detection_id)
        await self._worker.run_accepted(self._operations.put, record)

    async def _remove_from_redis_and_device(self, detection_id: str) -> None:
        await self._index.delete([detection_id])
        await self._worker.run_accepted(self._operations.remove, detection_id)

    @contextmanager
    def _unsettled_if_unknown(self, detection_id: str) -> Iterator[None]:
        """Around the disk's step. Errors of the service's own say that nothing was written; of others nobody knows."""
        try:
            yield
        except ServiceError:
            raise
        except BaseException:
            self._unsettled.add(detection_id)
            raise

    @contextmanager
    def _unsettled_on_failure(self, detection_id: str) -> Iterator[None]:
        """Around the steps after the disk's: remembers a detection where they fail, forgets it where they succeed."""
        try:
            yield
        except BaseException:
            self._unsettled.add(detection_id)
            raise
        self._unsettled.discard(detection_id)

    def _lock(self, detection_id: str) -> asyncio.Lock:
        lock = self._locks.get(detection_id)
        if lock is None:
            lock = self._locks[detection_id] = asyncio.Lock()
        return lock
