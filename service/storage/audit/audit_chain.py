"""Whether the entries of a segment follow each other as they were written, and where not."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.storage.audit.audit_entry import AuditEntry, AuditHead, DamagedEntry, read_entry
from service.storage.audit.audit_segments import read_lines


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the record that is not as it was written.

    Attributes:
        line: from 1.
        sequence: the number of the entry, as far as it can be told.
    """

    segment: str
    line: int
    sequence: int | None
    reason: str

    def __str__(self) -> str:
        entry = "" if self.sequence is None else f", entry {self.sequence}"
        return f"{self.segment}, line {self.line}{entry}: {self.reason}"


@dataclass(frozen=True, slots=True)
class CheckedLine:
    """A line of a segment, and what is wrong with it.

    Attributes:
        entry: None where the line is none.
        num_bytes: with its newline.
        is_whole: it is an entry and has its newline; what a crash left at the end of a segment is not whole.
    """

    entry: AuditEntry | None
    fault: Fault | None
    num_bytes: int
    is_whole: bool


def check_segment(path: Path, before: AuditHead | None) -> Iterator[CheckedLine]:
    """Check each entry of a segment against the one before it.

    After an entry that was changed, or a line that is none, the chain is taken up at the next: each fault is told once.

    Args:
        path: the segment.
        before: the entry before its first; None where that is not known.
    """
    for number, line, has_newline in read_lines(path):
        num_bytes = len(line) + has_newline
        try:
            entry = read_entry(line)
        except DamagedEntry as error:
            expected = None if before is None else before.sequence + 1
            yield CheckedLine(None, Fault(path.name, number, expected, str(error)), num_bytes, is_whole=False)
            before = None
            continue
        reason = _why_not_next(entry, before) or (None if has_newline else "the line does not end: it is cut short")
        fault = None if reason is None else Fault(path.name, number, entry.head.sequence, reason)
        yield CheckedLine(entry, fault, num_bytes, is_whole=has_newline)
        before = entry.head if entry.is_intact else None


def _why_not_next(entry: AuditEntry, before: AuditHead | None) -> str | None:
    if not entry.is_intact:
        return "the entry was changed: its hash is not that of what it says"
    if before is None:
        return None
    expected = before.sequence + 1
    if entry.head.sequence > expected:
        return f"{entry.head.sequence - expected} entries before it are missing, from {expected} on"
    if entry.head.sequence < expected:
        return f"it stands after entry {before.sequence}: it was moved, repeated or put in"
    if entry.previous != before.hash:
        return f"it does not follow the entry {before.sequence} that stands before it: one of the two was replaced"
    return None
