"""What a service finds of its audit record when it starts: where the chain goes on, and what is wrong at its end.

Only the last segment is read: starting must not take minutes. `audit_verification` reads everything.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from service.audit.audit_events import AuditBroken, AuditEvent, AuditRecovered
from service.storage.audit.audit_chain import CheckedLine, check_segment
from service.storage.audit.audit_entry import GENESIS, AuditHead
from service.storage.audit.audit_segments import list_segments

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordEnd:
    """The last entry, and what is to be put on record about the state that the record was found in."""

    head: AuditHead
    findings: tuple[AuditEvent, ...]


def repair_end(directory: Path) -> RecordEnd:
    """Find the end of the record. A last line that is no whole entry is cut off: it was never answered.

    Anything else that is wrong stays as it is, for people to look at, and is a finding.

    Raises:
        OSError: the record cannot be read or cut.
    """
    findings: list[AuditEvent] = []
    for number, path in enumerate(reversed(list_segments(directory))):
        head, first_broken, last_line, size = _read_segment(path)
        if number == 0 and last_line is not None and not last_line.is_whole:
            _cut(path, size - last_line.num_bytes)
            findings.append(AuditRecovered(path.name, last_line.num_bytes))
        if number == 0 and first_broken is not None:
            _logger.error("the audit record is broken: %s %s", path, first_broken.reason)
            findings.append(first_broken)
        if head is not None:
            return RecordEnd(head, tuple(findings))
    return RecordEnd(GENESIS, tuple(findings))


def _read_segment(path: Path) -> tuple[AuditHead | None, AuditBroken | None, CheckedLine | None, int]:
    """The last whole entry, the first fault that is not a torn last line, the last line, and all bytes."""
    head: AuditHead | None = None
    broken: AuditBroken | None = None
    checked: CheckedLine | None = None
    size = 0
    for following in check_segment(path, None):
        broken = broken or _fault_of(checked)
        checked = following
        size += checked.num_bytes
        if checked.is_whole and checked.entry is not None:
            head = checked.entry.head
    if checked is not None and checked.is_whole:
        broken = broken or _fault_of(checked)
    return head, broken, checked, size


def _fault_of(checked: CheckedLine | None) -> AuditBroken | None:
    fault = None if checked is None else checked.fault
    return None if fault is None else AuditBroken(fault.segment, fault.line, fault.sequence, fault.reason)


def _cut(path: Path, size_bytes: int) -> None:
    _logger.warning("the last line of %s is no whole entry: cut off behind byte %d", path, size_bytes)
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, size_bytes)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
