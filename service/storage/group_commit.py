"""Group commit: writes that wait are made durable together, with one synchronisation of the disk (`grouping_thread`).

Every write is answered after the commit that holds it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import lmdb

from service.errors import QueueFull
from service.observability.metrics import SIZE_BUCKETS, Metrics
from service.observability.request_context import current_requests, working_for
from service.storage.grouping_thread import GroupingThread

Result = TypeVar("Result")

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
        self._thread: GroupingThread[_Write] = GroupingThread(
            "record-writer", "the record store", "writes", max_waiting, self._commit_wanted
        )
        metrics.watch("qaconv_disk_writes_waiting", "Writes that wait for the disk.", lambda: self._thread.waiting)

    @property
    def is_alive(self) -> bool:
        """Whether writes can still be answered."""
        return self._thread.is_alive

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
        try:
            self._thread.put(write, is_refusable=not continues)
        except QueueFull:
            self._refusals.inc()
            raise
        result: Result = await asyncio.wrap_future(write.answer)
        return result

    def close(self) -> None:
        """Finish what waits, then end the thread. Further writes are refused. May be called twice."""
        self._thread.close()

    def _commit_wanted(self, group: Sequence[_Write]) -> None:
        # A caller that gave up before its write began gets none.
        wanted = [write for write in group if write.answer.set_running_or_notify_cancel()]
        if wanted:
            with working_for(request for write in wanted for request in write.requests):
                self._commit(wanted)

    def _commit(self, group: Sequence[_Write]) -> None:
        """Commit a group. Where that fails, commit each write alone, so that none fails for its neighbours."""
        try:
            with self._seconds.time(), self._environment.begin(write=True) as transaction:
                results = [write.apply(transaction) for write in group]
        except BaseException as error:  # whatever it was, it is the answer of the write that caused it alone
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
