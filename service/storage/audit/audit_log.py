"""The audit record: append-only, each entry bound to the one before by its hash, on disk before an answer is sent.

One thread writes: all entries that wait go to the disk with one synchronisation. Where an entry cannot be written, what
it tells of is not answered (`record`), but for what must happen nonetheless, such as an erasure: for that, space is
kept back, and if even that is no use, the entry is owed, and written as soon as that is possible
(`record_regardless`).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from service.audit.audit_events import AuditEvent
from service.errors import ServiceError
from service.storage.audit.audit_entry import AuditHead
from service.storage.audit.audit_segments import audit_directory
from service.storage.audit.audit_writer import AuditWrite, AuditWriter
from service.storage.durable_files import sync_path
from service.storage.grouping_thread import GroupingThread

_logger = logging.getLogger(__name__)


def now_us() -> int:
    """Microseconds since the Unix epoch."""
    return time.time_ns() // 1000


class AuditLog:
    """The audit record of a data directory, which the caller has locked."""

    def __init__(self, directory: Path, max_waiting: int, clock_us: Callable[[], int]) -> None:
        self.directory = directory
        self.clock_us = clock_us
        self._writer = AuditWriter(directory, clock_us)
        self._thread: GroupingThread[AuditWrite] = GroupingThread(
            "audit-writer", "the audit record", "entries of the audit record", max_waiting, self._writer.commit
        )

    @classmethod
    def open(cls, data_dir: Path, max_waiting: int = 512, clock_us: Callable[[], int] = now_us) -> Self:
        """Open the record of a data directory; it is made if it is not there. A record that is broken is gone on with.

        Args:
            data_dir: the record takes `audit/` in it.
            max_waiting: entries that may wait for the disk.
            clock_us: microseconds since the Unix epoch.

        Raises:
            OSError: it cannot be read or made.
        """
        directory = audit_directory(data_dir)
        directory.mkdir(mode=0o700, exist_ok=True)
        sync_path(data_dir)
        return cls(directory, max_waiting, clock_us)

    @property
    def head(self) -> AuditHead:
        """The last entry on disk. Noted elsewhere, it shows later whether the record's end was cut off."""
        return self._writer.head

    @property
    def is_alive(self) -> bool:
        """Whether entries can still be taken; False once closed, or should the writing thread have died."""
        return self._thread.is_alive

    @property
    def waiting(self) -> int:
        """Entries that wait for the disk."""
        return self._thread.waiting

    @property
    def failure(self) -> str | None:
        """Why nothing can be put on record now, and what to do; None where it can."""
        failure = self._writer.failure
        return None if failure is None else self._writer.describe_refusal(failure.reason).detail

    async def record(self, event: AuditEvent) -> AuditHead | None:
        """Put an event on record: it is on disk when this returns, before what it tells of is answered.

        Raises:
            StorageFull: the disk is full.
            Unavailable: the disk failed, or the record is closed.
            QueueFull: too many entries wait.
        """
        return await self._write(AuditWrite(event, self.clock_us()))

    async def record_regardless(self, event: AuditEvent) -> AuditHead | None:
        """Put an event on record that happens whether or not that can be done. Space is kept back for it.

        Returns:
            The entry's place; None where it could not be written: the log has said so, and it is owed.

        Raises:
            Unavailable: the record is closed.
        """
        return await self._write(AuditWrite(event, self.clock_us(), is_due_regardless=True))

    def note(self, event: AuditEvent) -> None:
        """Have an event written without waiting for it: one that nobody is answered for."""
        try:
            self._put(AuditWrite(event, self.clock_us()))
        except ServiceError as error:
            _logger.warning("an event %s is not on the audit record: %s", event.event, error.detail)

    async def retry(self) -> None:
        """After a failure: try whether entries can be written again, and if so, write those that are owed."""
        if self._writer.failure is not None or self._writer.has_owed:
            with suppress(ServiceError):
                await self._write(AuditWrite(None, self.clock_us()))

    def close(self) -> None:
        """Write what waits, then end the thread and close the file. May be called twice."""
        self._thread.close()
        self._writer.close()

    async def _write(self, write: AuditWrite) -> AuditHead | None:
        self._put(write)
        answer = asyncio.wrap_future(write.answer)
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded: what has happened is put on record, although whoever waits for it gives up.
        return await asyncio.shield(answer)

    def _put(self, write: AuditWrite) -> None:
        self._thread.put(write, is_refusable=not write.is_due_regardless)
