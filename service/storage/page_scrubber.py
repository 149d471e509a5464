"""Overwrites with zeros what erased and replaced records left in LMDB's data file.

LMDB frees pages and forgets nodes; their bytes stay in free pages, between the nodes of pages in use, behind values,
and in memory: buffers of pages are used again without being cleared, and reach the disk with what they held before.

A scrub takes them in this order, so that nothing erased before it began can come back:

1. the buffers in memory, in a transaction that is given up (another process that writes does so with its own: see
   `page_buffers` and `reindex_store`);
2. the unused bytes inside the pages of the newest snapshot, which a reader pins. LMDB copies a page before it changes
   it: nobody else writes to these, and nobody reads their unused bytes;
3. the pages that this snapshot does not use, as soon as LMDB itself would use them again: freed by a transaction older
   than both meta pages and every reader. Each is zeroed under the write lock, some hundred at a time, unless it
   came into use again meanwhile, for then it was written whole.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lmdb
import numpy as np
import numpy.typing as npt

from service.storage.lmdb_pages import (
    InconsistentPages,
    Snapshot,
    free_pages,
    newest_snapshot,
    survey_pages,
)
from service.storage.page_buffers import overwrite_buffers

# As many pages are zeroed in a few milliseconds.
_ZEROED_TOGETHER = 512
_READ_TOGETHER = 1024
# Between two portions: the mutex of LMDB is not fair, and a writer that waits shall have its turn.
_PAUSE_SECONDS = 0.001
_SECONDS_FOR_READERS = 2.0
_SECONDS_BETWEEN_LOOKS_AT_READERS = 0.02

_logger = logging.getLogger(__name__)


class ScrubIncomplete(RuntimeError):  # noqa: N818 - the state of things, not a mistake
    """Something is left, because a reader still needs it, the file is full, or the store is being closed."""


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """What a scrub did: pages not in use and stretches inside pages in use that held something and no longer do."""

    zeroed_pages: int
    zeroed_stretches: int
    seconds: float


class PageScrubber:
    """Scrubs the data file of an environment: one that syncs its commits and has no writable map."""

    def __init__(self, environment: lmdb.Environment) -> None:
        self._environment = environment
        self._path = Path(environment.path()) / "data.mdb"
        self._marks = environment.open_db(b"scrubs")
        self._at_work = threading.Lock()
        self._is_closed = False

    def scrub(self) -> ScrubReport:
        """Takes away all that was erased or replaced before this began. Blocks; writes wait for milliseconds at a time.

        Raises:
            ScrubIncomplete: something is left; try again.
            InconsistentPages: the file is not understood, and nothing was written.
            lmdb.Error, OSError: the disk; try again.
        """
        started = time.monotonic()
        with self._at_work, self._opened() as descriptor:
            self._require_open()
            with self._pinned(descriptor) as snapshot:
                survey = survey_pages(descriptor, snapshot)
                stretches = sum(self._zero_if_needed(descriptor, *unused) for unused in survey.unused)
            pages = self._zero_unused_pages(descriptor, snapshot.page_bytes, survey.uses == 0)
            os.fsync(descriptor)
        return ScrubReport(pages, stretches, time.monotonic() - started)

    def close(self) -> None:
        """Ends a scrub that runs, and waits for it; further ones are refused."""
        self._is_closed = True
        with self._at_work:
            pass

    def _require_open(self) -> None:
        if self._is_closed:
            raise ScrubIncomplete("the store is being closed; the next start scrubs")

    @contextmanager
    def _opened(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _pinned(self, descriptor: int) -> Iterator[Snapshot]:
        """The newest snapshot and a reader that keeps its pages as they are; no buffer is older than it."""
        with self._write_lock() as writer:
            snapshot = newest_snapshot(descriptor)
            if writer.id() != snapshot.txnid + 1:
                raise InconsistentPages(f"the newest snapshot is {snapshot.txnid}, and {writer.id() - 1} was committed")
            self._overwrite_buffers(writer, descriptor)
            reader = self._environment.begin()
        with reader:
            yield snapshot

    def _overwrite_buffers(self, writer: "lmdb.Transaction[bytes]", descriptor: int) -> None:
        try:
            overwrite_buffers(self._environment, writer, descriptor)
        except lmdb.MapFullError:
            raise ScrubIncomplete("the file is full: erase more, or raise QACONV_DISK_CAPACITY_BYTES") from None

    def _zero_unused_pages(self, descriptor: int, page_bytes: int, is_left: npt.NDArray[np.bool_]) -> int:
        """Zeroes pages that were not in use when the scrub began, with all beyond the last one; how many."""
        size = -(-os.fstat(descriptor).st_size // page_bytes)
        is_left = np.concatenate((is_left, np.ones(max(0, size - len(is_left)), bool)))
        self._leave_out_zero_pages(descriptor, page_bytes, is_left)
        zeroed, deadline = 0, time.monotonic() + _SECONDS_FOR_READERS
        while is_left.any():
            self._require_open()
            with self._write_lock():
                done, is_held = self._zero_portion(descriptor, is_left)
            zeroed += done
            if done:
                deadline = time.monotonic() + _SECONDS_FOR_READERS
            elif is_held:
                # No commit here: what it frees could not be used again before the reader ends, and the file would grow.
                if time.monotonic() > deadline:
                    raise ScrubIncomplete(
                        "a reader, such as a backup, still needs erased pages: they follow when it ends"
                    )
                time.sleep(_SECONDS_BETWEEN_LOOKS_AT_READERS)
            elif is_left.any():
                self._make_a_commit()
            time.sleep(_PAUSE_SECONDS)
        return zeroed

    def _zero_portion(self, descriptor: int, is_left: npt.NDArray[np.bool_]) -> tuple[int, bool]:
        """Zeroes some pages under the write lock; how many, and whether a reader held others back."""
        snapshot = newest_snapshot(descriptor)
        oldest = min([snapshot.txnid, *self._reading()])
        is_free, is_waiting = np.zeros_like(is_left), np.zeros_like(is_left)
        is_free[snapshot.last_page + 1 :] = True
        for txnid, freed in free_pages(descriptor, snapshot):
            (is_free if txnid < oldest else is_waiting)[freed[freed < len(is_left)]] = True
        is_left &= is_free | is_waiting  # what is in use again was written whole
        chosen = np.flatnonzero(is_left & is_free)[:_ZEROED_TOGETHER]
        for first, count in _runs(chosen):
            os.pwrite(descriptor, bytes(count * snapshot.page_bytes), first * snapshot.page_bytes)
        is_left[chosen] = False
        return len(chosen), oldest < snapshot.txnid

    def _leave_out_zero_pages(self, descriptor: int, page_bytes: int, is_left: npt.NDArray[np.bool_]) -> None:
        """Leaves out pages that hold nothing. Whatever they come to hold is younger than the scrub."""
        for first, count in _runs(np.flatnonzero(is_left)):
            for start in range(first, first + count, _READ_TOGETHER):
                pages = min(_READ_TOGETHER, first + count - start)
                data = os.pread(descriptor, pages * page_bytes, start * page_bytes)
                data += bytes(pages * page_bytes - len(data))
                is_left[start : start + pages] = np.frombuffer(data, np.uint64).reshape(pages, -1).any(axis=1)

    def _zero_if_needed(self, descriptor: int, offset: int, length: int) -> bool:
        self._require_open()
        zeros = bytes(length)
        holds_something = os.pread(descriptor, length, offset) != zeros
        if holds_something:
            os.pwrite(descriptor, zeros, offset)
        return holds_something

    def _make_a_commit(self) -> None:
        """Lets the pages that the last commit freed become as old as LMDB wants them before it uses them again."""
        with self._environment.begin(write=True) as writer:
            writer.put(b"needed_until_us", b"%d" % (time.time_ns() // 1000), db=self._marks)

    def _reading(self) -> list[int]:
        """The snapshots that readers of this and of other processes see."""
        self._environment.reader_check()
        columns = (line.split() for line in self._environment.readers().splitlines()[1:])
        return [int(txnid) for _, _, txnid in columns if txnid != "-"]

    @contextmanager
    def _write_lock(self) -> Iterator["lmdb.Transaction[bytes]"]:
        writer = self._environment.begin(write=True)
        try:
            yield writer
        finally:
            writer.abort()


def _runs(pages: npt.NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Ascending page numbers as first page and count of each run."""
    for run in np.split(pages, np.flatnonzero(np.diff(pages) != 1) + 1):
        if len(run):
            yield int(run[0]), len(run)
