"""The one thread that owns the device: a bounded queue of jobs, those of one kind taken together as a batch."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from service.errors import QueueFull, Unavailable
from service.inference.learnt_limits import LearntLimits
from service.observability.metrics import SIZE_BUCKETS, Metrics
from service.observability.request_context import RequestContext, current_requests, working_for
from service.out_of_memory import attempt, is_out_of_memory, too_little_memory

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


def _one(_: object) -> int:
    return 1


def _no_parts(_: object) -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class Operation(Generic[Item, Result]):
    """Something the device does to a batch of items.

    Attributes:
        name: for messages and metrics.
        function: results in the order of the items; runs on the device thread.
        max_batch: the largest size of a batch; a single larger item is a batch of its own.
        size_of: what an item counts.
        parts_of: what each counts one besides, once in a batch, however many of its items have it.
    """

    name: str
    function: Callable[[list[Item]], Sequence[Result]]
    max_batch: int = 1
    size_of: Callable[[Item], int] = _one
    parts_of: Callable[[Item], Collection[Hashable]] = _no_parts

    def batch_size(self, items: Sequence[Item]) -> int:
        """What items count together."""
        return sum(map(self.size_of, items)) + len({part for item in items for part in self.parts_of(item)})


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    operation: Operation[Any, Any]
    item: Any
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    is_accepted: bool
    requests: tuple[RequestContext, ...]
    queued_at: float


class _DeviceMetrics:
    """What the device does; operations are few and named by the program."""

    def __init__(self, metrics: Metrics) -> None:
        self.refusals = metrics.refusals.labels("device_queue")
        self.waits = metrics.histogram(
            "qaconv_device_wait_duration_seconds", "Time that a job waited for the device.", ["operation"]
        )
        self.batches = metrics.histogram(
            "qaconv_device_batch_duration_seconds",
            "Time that the device worked on a batch, failed attempts included.",
            ["operation"],
        )
        self.sizes = metrics.histogram(
            "qaconv_device_batch_size",
            "Crops of an extraction; queries and nearby persons of a scoring; pairs of a matching; else jobs.",
            ["operation"],
            SIZE_BUCKETS,
        )
        self.halvings = metrics.counter(
            "qaconv_device_batch_halvings_total", "Batches that failed and were tried again in halves.", ["operation"]
        )
        self.out_of_memory = metrics.counter(
            "qaconv_device_out_of_memory_total", "Attempts that the device had too little memory for.", ["operation"]
        )


class DeviceWorker:
    """Runs operations on a thread of its own; callers wait on the event loop.

    Args:
        max_waiting: jobs that may wait; `run` refuses more.
        metrics: where waits, batches and failures are counted.
    """

    def __init__(self, max_waiting: int, metrics: Metrics | None = None) -> None:
        self._max_waiting = max_waiting
        self._metrics = _DeviceMetrics(metrics or Metrics())
        self._limits = LearntLimits()
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
        """Jobs in the queue that somebody still waits for."""
        with self._changed:
            return sum(not job.future.cancelled() for job in self._jobs)

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
        if len(self._jobs) >= self._max_waiting and self.waiting >= self._max_waiting:
            self._metrics.refusals.inc()
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
            self._jobs.append(_Job(operation, item, future, loop, is_accepted, current_requests(), time.monotonic()))
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
                self._observe_waits(batch)
                self._run_batch(batch)
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
        limit = self._limits.of(wanted[0].operation.name, wanted[0].operation.max_batch) if wanted else 0
        batch: list[_Job] = []
        kept: deque[_Job] = deque()
        size = 0
        parts: set[Hashable] = set()
        for job in wanted:
            operation = wanted[0].operation
            if job.operation is operation:
                added = set(operation.parts_of(job.item)) - parts
                more = operation.size_of(job.item) + len(added)
                if not batch or size + more <= limit:
                    batch.append(job)
                    parts |= added
                    size += more
                    continue
            kept.append(job)
        self._jobs = kept
        return batch

    def _observe_waits(self, batch: list[_Job]) -> None:
        waits = self._metrics.waits.labels(batch[0].operation.name)
        for job in batch:
            waits.observe(time.monotonic() - job.queued_at)

    def _run_batch(self, batch: list[_Job]) -> None:
        """Runs a batch. When it fails, in halves, and halves of those, so that only those at fault fail, and what does
        not fit into the memory at once is done in parts.
        """
        operation = batch[0].operation
        with working_for(request for job in batch for request in job.requests):
            outcome = self._attempt(operation, [job.item for job in batch])
            if isinstance(outcome, Exception):
                self._after_failure(batch, outcome)
                return
        for job, result in zip(batch, outcome, strict=True):
            _resolve(job, partial(_set_result, result))

    def _attempt(self, operation: Operation[Any, Any], items: list[Any]) -> Sequence[Any] | Exception:
        self._metrics.sizes.labels(operation.name).observe(operation.batch_size(items))
        with self._metrics.batches.labels(operation.name).time():
            outcome = attempt(lambda: operation.function(items))
        if not isinstance(outcome, Exception) and len(outcome) != len(items):
            return RuntimeError(f"{operation.name} gave {len(outcome)} results for {len(items)} items")
        return outcome

    def _after_failure(self, batch: list[_Job], error: Exception) -> None:
        operation = batch[0].operation
        has_no_memory = is_out_of_memory(error)
        if has_no_memory:
            self._metrics.out_of_memory.labels(operation.name).inc()
            self._limits.learn(operation.name, operation.batch_size([job.item for job in batch]))
        if len(batch) == 1:
            _fail(batch[0], too_little_memory(f"this request ({operation.name})") if has_no_memory else error)
            return
        logger.warning("a batch of %d for %s failed, trying its halves: %r", len(batch), operation.name, error)
        self._metrics.halvings.labels(operation.name).inc()
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            # Who gave up meanwhile is not worked for.
            if wanted := [job for job in half if not job.future.cancelled()]:
                self._run_batch(wanted)


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
