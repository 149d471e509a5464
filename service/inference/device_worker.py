"""The one thread that owns the device: a bounded queue of jobs, those of one kind taken together as a batch."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from service.errors import QueueFull, Unavailable

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


def _one(_: object) -> int:
    return 1


@dataclass(frozen=True, slots=True, eq=False)
class Operation(Generic[Item, Result]):
    """Something the device does to a batch of items.

    Attributes:
        name: for messages and metrics.
        function: results in the order of the items; runs on the device thread.
        max_batch: the largest sum of `size_of` over a batch; a single larger item is a batch of its own.
        size_of: what an item counts.
    """

    name: str
    function: Callable[[list[Item]], Sequence[Result]]
    max_batch: int = 1
    size_of: Callable[[Item], int] = _one


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    operation: Operation[Any, Any]
    item: Any
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    is_accepted: bool


class DeviceWorker:
    """Runs operations on a thread of its own; callers wait on the event loop.

    Args:
        max_waiting: jobs that may wait; `run` refuses more.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._jobs: deque[_Job] = deque()
        self._batch_began: float | None = None
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._work, name="device", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """False when the thread has ended, whatever the reason."""
        return self._thread.is_alive() and not self._is_closing

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return len(self._jobs)

    @property
    def busy_seconds(self) -> float:
        """How long the batch in hand has been running; 0 where there is none."""
        began = self._batch_began
        return 0.0 if began is None else time.monotonic() - began

    async def run(self, operation: Operation[Item, Result], item: Item) -> Result:
        """Does one item of an operation, together with others that wait.

        Raises:
            QueueFull: too many jobs wait already.
            Unavailable: the thread has ended.
            Exception: whatever the operation raised for this item.
        """
        if len(self._jobs) >= self._max_waiting:
            raise QueueFull(f"{self._max_waiting} jobs wait for the device, the most that may: try again later")
        return await self._run(operation, item, is_accepted=False)

    async def run_accepted(self, operation: Operation[Item, Result], item: Item) -> Result:
        """Like `run`, for a later step of a request that was accepted already: never refused, and before all first
        steps, so that what was begun is finished and its memory given back before more is begun.
        """
        return await self._run(operation, item, is_accepted=True)

    async def _run(self, operation: Operation[Item, Result], item: Item, *, is_accepted: bool) -> Result:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        with self._changed:
            if not self.is_alive:
                raise Unavailable("the device thread has ended")
            self._jobs.append(_Job(operation, item, future, loop, is_accepted))
            self._changed.notify()
        return await future

    def close(self) -> None:
        """Ends the thread after the batch in hand; jobs that wait get `Unavailable`."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        batch: list[_Job] = []
        try:
            while batch := self._next_batch():
                self._batch_began = time.monotonic()
                _run_batch(batch)
                self._batch_began = None
        except BaseException:
            logger.critical("the device thread died", exc_info=True)
            raise
        finally:
            with self._changed:
                self._is_closing = True
                abandoned = [*batch, *self._jobs]
                self._jobs.clear()
            for job in abandoned:
                _fail(job, Unavailable("the service is shutting down or its device thread has ended"))

    def _next_batch(self) -> list[_Job]:
        """Waits for jobs; takes the first and those of its kind that fit beside it. Empty when closing."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._jobs or self._is_closing)
                if self._is_closing:
                    return []
                if batch := self._take_batch():
                    return batch

    def _take_batch(self) -> list[_Job]:
        """Empty when those who asked have all given up; what they asked for is dropped."""
        wanted = [job for job in self._jobs if not job.future.cancelled()]
        wanted.sort(key=lambda job: not job.is_accepted)
        batch: list[_Job] = []
        kept: deque[_Job] = deque()
        size = 0
        for job in wanted:
            operation = wanted[0].operation
            is_of_kind = job.operation is operation
            if is_of_kind and (not batch or size + operation.size_of(job.item) <= operation.max_batch):
                batch.append(job)
                size += operation.size_of(job.item)
            else:
                kept.append(job)
        self._jobs = kept
        return batch


def _run_batch(batch: list[_Job]) -> None:
    """Runs a batch. When it fails, each item alone, so that only those at fault fail."""
    operation = batch[0].operation
    try:
        results = operation.function([job.item for job in batch])
        if len(results) != len(batch):
            raise RuntimeError(f"{operation.name} gave {len(results)} results for {len(batch)} items")
    except Exception as error:
        if len(batch) == 1:
            _fail(batch[0], error)
            return
        logger.warning("a batch of %d for %s failed, trying each alone: %r", len(batch), operation.name, error)
        for job in batch:
            _run_batch([job])
        return
    for job, result in zip(batch, results, strict=True):
        _resolve(job, partial(_set_result, result))


def _set_result(result: object, future: asyncio.Future[Any]) -> None:
    future.set_result(result)


def _set_error(error: Exception, future: asyncio.Future[Any]) -> None:
    future.set_exception(error)


def _fail(job: _Job, error: Exception) -> None:
    _resolve(job, partial(_set_error, error))


def _resolve(job: _Job, settle: Callable[[asyncio.Future[Any]], None]) -> None:
    def settle_if_awaited() -> None:
        if not job.future.done():
            settle(job.future)

    try:
        job.loop.call_soon_threadsafe(settle_if_awaited)
    except RuntimeError:
        logger.debug("nobody waits any more for %s: the event loop is closed", job.operation.name)
