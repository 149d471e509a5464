"""Writes the audit record: groups of entries, all or none, and what becomes of them where the disk takes none."""

import errno
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from service.audit.audit_events import AuditEvent, AuditResumed
from service.errors import ServiceError, StorageFull, Unavailable
from service.rfc_3339 import format_moment
from service.storage.audit.audit_entry import AuditHead, encode_entry
from service.storage.audit.audit_opening import repair_end
from service.storage.audit.audit_segments import SegmentWriter
from service.storage.disk_reserve import DiskReserve

# An erasure takes two entries of below 1 kB; an entry with thousands of IDs some 100 kB.
RESERVE_BYTES = 2**20
# Each is below 1 kB but those with IDs: more than this are told to the log alone.
_MAX_OWED = 10_000
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditWrite:
    """An event that waits, when it happened, and the future of whoever waits for its place in the record.

    Attributes:
        event: None only tries whether something can be written.
        is_due_regardless: what it tells of happens whether it can be written or not.
    """

    event: AuditEvent | None
    time_us: int
    is_due_regardless: bool = False
    answer: "Future[AuditHead | None]" = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class WritingFailure:
    """Since when nothing can be written, and why."""

    since_us: int
    reason: OSError


class AuditWriter:
    """The one writer of the record in a directory. Used by one thread.

    Attributes:
        head: the last entry on disk.
        failure: set while nothing can be written.
    """

    def __init__(self, directory: Path, clock_us: Callable[[], int]) -> None:
        end = repair_end(directory)
        self.head = end.head
        self.failure: WritingFailure | None = None
        self._directory = directory
        self._clock_us = clock_us
        self._owed = [AuditWrite(event, clock_us()) for event in end.findings]
        self._refused = 0
        self._reserve = DiskReserve(directory / "reserve", RESERVE_BYTES)
        self._reserve.hold()
        self._segments = SegmentWriter(directory)

    @property
    def has_owed(self) -> bool:
        """Whether there are entries that could not be written yet."""
        return bool(self._owed)

    def commit(self, group: Sequence[AuditWrite]) -> None:
        """Write a group, and answer the futures of all of it."""
        try:
            if self.failure is not None:
                self._regain_reserve()
            self._append(group, self.failure)
        except OSError as error:
            self._fail(error)
            self._refuse([write for write in group if not write.is_due_regardless], error)
            due = [write for write in group if write.is_due_regardless]
            if due:
                self._append_with_reserve(due)

    def close(self) -> None:
        """Close the file."""
        self._segments.close()

    def describe_refusal(self, error: OSError) -> ServiceError:
        """What a client is told whose request cannot be put on record."""
        rule = "nothing is answered that is not on record"
        if error.errno not in _FULL:
            reason = error.strerror or str(error)
            return Unavailable(
                f"the audit record in {self._directory} cannot be written ({reason}), and {rule}: repair that disk; "
                "the service then goes on by itself"
            )
        disk = os.statvfs(self._directory)
        return StorageFull(
            f"the disk of the audit record in {self._directory} is full ({disk.f_bavail * disk.f_frsize:,} bytes are "
            f"free), and {rule}: free space on that disk; the service then goes on by itself"
        )

    def _append(self, group: Sequence[AuditWrite], ended: WritingFailure | None) -> None:
        """Encode and write what is owed, that a failure has ended, and a group; OSError, and nothing is written."""
        lines: list[bytes] = []
        written: list[tuple[AuditWrite, AuditHead | None]] = []
        head = self.head
        for write in [*self._owed, *self._tell_end(ended), *group]:
            place: AuditHead | None = None
            if write.event is not None and not write.answer.done():
                try:
                    line, place = encode_entry(head, write.time_us, write.event)
                except (TypeError, ValueError) as error:
                    write.answer.set_exception(error)  # a mistake of ours, and no reason to fail the others
                    continue
                lines.append(line)
                head = place
            written.append((write, place))
        if lines:
            self._segments.append(datetime.fromtimestamp(self._clock_us() / 1e6, UTC).date(), b"".join(lines))
        self.head = head
        self._owed.clear()
        if ended is not None:
            _logger.info("the audit record can be written again")
            self.failure, self._refused = None, 0
        for write, place in written:
            if not write.answer.done():
                write.answer.set_result(place)

    def _append_with_reserve(self, group: Sequence[AuditWrite]) -> None:
        """Write what is due although the disk is full; what cannot be written even so is owed."""
        try:
            self._reserve.release()
            self._append(group, None)
        except OSError as error:
            for write in group:
                self._owe(write, error)
        finally:
            self._reserve.hold()

    def _owe(self, write: AuditWrite, error: OSError) -> None:
        if write.event is None or write.answer.done():
            return
        is_remembered = len(self._owed) < _MAX_OWED
        if is_remembered:
            self._owed.append(AuditWrite(write.event, write.time_us))
        _logger.error(
            "an event %s goes ahead and is not on the audit record%s: %s",
            write.event.event,
            "; it is written when that is possible" if is_remembered else "",
            error,
        )
        write.answer.set_result(None)

    def _regain_reserve(self) -> None:
        """Writing is resumed once there is space for more than the next entry."""
        self._reserve.hold()
        if not self._reserve.is_held:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _tell_end(self, ended: WritingFailure | None) -> list[AuditWrite]:
        if ended is None:
            return []
        reason = ended.reason.strerror or str(ended.reason)
        return [AuditWrite(AuditResumed(format_moment(ended.since_us), reason, self._refused), self._clock_us())]

    def _fail(self, error: OSError) -> None:
        if self.failure is None:
            self.failure = WritingFailure(self._clock_us(), error)
            _logger.error("the audit record cannot be written, and searches are refused: %s", error)

    def _refuse(self, group: Sequence[AuditWrite], error: OSError) -> None:
        for write in group:
            self._refused += write.event is not None
            if not write.answer.done():
                write.answer.set_exception(self.describe_refusal(error))
