"""Group commit: one thread takes all waiting writes and makes them durable with one synchronisation of the disk.

A commit waits for the disk, which takes about as long for one record as for sixty. While it waits, the writes of
other requests gather; the next commit takes them all. Every write is answered after the commit that holds it.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

import lmdb

from service.errors import QueueFull, Unavailable
from service.metrics import SIZE_BUCKETS, Metrics
from service.request_context import current_requests, working_for

Result = TypeVar("Result")

# Enough that the disk's waiting is shared well; few enough that a commit stays well below a second.
MAX_GROUP = 64

_logger = logging.getLogger(__name__)


class _Write:
    """One write that waits, and the future of the caller that waits for it."""

    def __init__(self, apply: Callable[["lmdb.Transaction[bytes]"], Any]) -> None:
        self.apply = apply
        self.answer: Future[Any] = Future()
        self.requests = current_requests()


class GroupCommit:
    """The one writer of an LMDB environment."""

    def __init__(self, environment: lmdb.Environment, max_waiting: int, metrics: Metrics | None = None) -> None:
        self._environment = environment
        self._max_waiting = max_waiting
        metrics = metrics or Metrics()
        self._refusals = metrics.refusals.labels("disk_queue")
        self._seconds = metrics.histogram(
            "qaconv_disk_commit_duration_seconds", "Time of a commit, its synchronisation with the disk included."
        )
        self._sizes = metrics.histogram(
            "qaconv_disk_commit_size", "Writes that a commit made durable together.", buckets=SIZE_BUCKETS
        )
        self._failures = metrics.counter(
            "qaconv_disk_commit_failures_total", "Commits that failed; a group's writes are then repeated one by one."
        )
        self._waiting: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        metrics.watch("qaconv_disk_writes_waiting", "Writes that wait for the disk.", self._waiting.qsize)
        self._door = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="record-writer", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether writes can still be answered."""
        return self._thread.is_alive() and not self._is_closed

    async def write(self, apply: Callable[["lmdb.Transaction[bytes]"], Result], *, continues: bool = False) -> Result:
        """Run a function in a write transaction and return its result once that is on the disk.

        The function may run more than once: where a group fails, its writes are repeated one by one, each in its own
        transaction. What it does outside the transaction must stand that.

        Args:
            apply: what to write.
            continues: this write is a further part of one that was accepted; it is not refused for a full queue.

        Raises:
            QueueFull: as many writes wait as may.
            Unavailable: the store is closed.
            Exception: whatever the function or the commit raised.
        """
        write = _Write(apply)
        with self._door:
            if not self.is_alive:
                raise Unavailable("the record store is closed: the service is shutting down; try again later")
            waiting = self._waiting.qsize()
            if waiting >= self._max_waiting and not continues:
                self._refusals.inc()
                raise QueueFull(f"{waiting} writes wait for the disk, at most {self._max_waiting} may: try again later")
            self._waiting.put(write)
        result: Result = await asyncio.wrap_future(write.answer)
        return result

    def close(self) -> None:
        """Finish what waits, then end the thread. Further writes are refused."""
        with self._door:
            if not self._is_closed:
                self._is_closed = True
                self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._next_group()
            if group:
                with working_for(request for write in group for request in write.requests):
                    self._commit(group)

    def _next_group(self) -> tuple[list[_Write], bool]:
        """All writes that wait now, at least one, and whether more may come."""
        group: list[_Write] = []
        with suppress(queue.Empty):
            while len(group) < MAX_GROUP:
                write = self._waiting.get(block=not group)
                if write is None:
                    return group, False
                # A caller that gave up before its write began gets none.
                if write.answer.set_running_or_notify_cancel():
                    group.append(write)
        return group, True

    def _commit(self, group: Sequence[_Write]) -> None:
        """Commit a group. Where that fails, commit each write alone, so that none fails for its neighbours."""
        try:
            with self._seconds.time(), self._environment.begin(write=True) as transaction:
                results = [write.apply(transaction) for write in group]
        except BaseException as error:  # a writer that died would leave its callers waiting
            self._failures.inc()
            if len(group) == 1:
                group[0].answer.set_exception(error)
                return
            _logger.warning("a group of %d writes failed and is repeated one by one: %s", len(group), error)
            for write in group:
                self._commit([write])
            return
        self._sizes.observe(len(group))
        for write, result in zip(group, results, strict=True):
            write.answer.set_result(result)
