"""Reads the whole audit record and says whether it is as it was written. Works while a service writes it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.audit.audit_events import AuditTrimmed
from service.storage.audit.audit_chain import CheckedLine, Fault, check_segment
from service.storage.audit.audit_entry import GENESIS, AuditEntry, AuditHead
from service.storage.audit.audit_segments import list_segments

_ATTEMPTS = 5
_SECONDS_BETWEEN_ATTEMPTS = 0.2


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. The record is as it was written if there are no faults.

    Attributes:
        first_time: of the first entry, RFC 3339; None where there is none.
        head: the last entry.
    """

    entries: int
    segments: int
    first_time: str | None
    last_time: str | None
    head: AuditHead
    faults: tuple[Fault, ...]


def verify_record(directory: Path, noted: Sequence[AuditHead] = ()) -> Verification:
    """Check every entry: its own hash, that of the one before it, and its number.

    What a chain cannot show by itself is an end that was cut off; that is shown by heads noted earlier.

    Args:
        directory: the record's.
        noted: heads that must be part of the chain.

    Raises:
        OSError: it cannot be read.
    """
    for _ in range(_ATTEMPTS):
        # A service at work may be in the middle of a line, or delete a segment that is too old.
        try:
            found = _verify_once(directory, noted)
        except FileNotFoundError:
            time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
            continue
        if not found.ends_torn:
            return found.result
        time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
    return _verify_once(directory, noted).result


@dataclass(frozen=True, slots=True)
class _Reading:
    result: Verification
    ends_torn: bool


@dataclass(slots=True)
class _Seen:
    """What is gathered while the entries go by."""

    noted: Sequence[AuditHead]
    entries: int = 0
    first: AuditEntry | None = None
    last: AuditEntry | None = None
    faults: list[Fault] = field(default_factory=list)
    trimmed: set[AuditHead] = field(default_factory=set)
    found: set[AuditHead] = field(default_factory=set)

    def take(self, checked: CheckedLine) -> None:
        if checked.fault is not None:
            self.faults.append(checked.fault)
        entry = checked.entry
        if entry is None:
            return
        self.entries += 1
        self.first = self.first or entry
        self.last = entry
        if entry.is_intact:
            if entry.head in self.noted:
                self.found.add(entry.head)
            if entry.event == AuditTrimmed.event:
                fields = entry.fields()
                self.trimmed.add(AuditHead(fields["first_kept_sequence"] - 1, fields["last_removed_hash"]))


def _verify_once(directory: Path, noted: Sequence[AuditHead]) -> _Reading:
    segments = list_segments(directory)
    seen = _Seen(noted)
    before: AuditHead | None = None
    checked: CheckedLine | None = None
    for path in segments:
        for following in check_segment(path, before):
            checked = following
            seen.take(checked)
            before = checked.entry.head if checked.entry is not None and checked.entry.is_intact else None
    beginning = _before_first(seen.first)
    faults = [*_check_beginning(segments, beginning, seen), *seen.faults, *_check_noted(segments, beginning, seen)]
    result = Verification(
        entries=seen.entries,
        segments=len(segments),
        first_time=seen.first.time if seen.first else None,
        last_time=seen.last.time if seen.last else None,
        head=seen.last.head if seen.last else GENESIS,
        faults=tuple(faults),
    )
    return _Reading(result, ends_torn=checked is not None and not checked.is_whole)


def _before_first(first: AuditEntry | None) -> AuditHead:
    """The entry that came before the first that is there: the beginning of all, or the last that was trimmed."""
    return GENESIS if first is None else AuditHead(first.head.sequence - 1, first.previous)


def _check_beginning(segments: Sequence[Path], beginning: AuditHead, seen: _Seen) -> Iterator[Fault]:
    if seen.first is None or beginning == GENESIS or beginning in seen.trimmed:
        return
    yield Fault(
        segments[0].name,
        1,
        seen.first.head.sequence,
        f"the record begins here, and no {AuditTrimmed.event} says that what was before it was deleted for its age: "
        f"entries 1 to {beginning.sequence} are missing",
    )


def _check_noted(segments: Sequence[Path], beginning: AuditHead, seen: _Seen) -> Iterator[Fault]:
    last = seen.last.head.sequence if seen.last else 0
    place = segments[-1].name if segments else "(no segment)"
    for head in seen.noted:
        if head in seen.found or head == beginning:
            continue
        if head.sequence > last:
            reason = f"the record ends with entry {last}; its end was cut off after {head} was noted"
        elif head.sequence <= beginning.sequence:
            reason = f"the entries up to {beginning.sequence} are deleted, {head} with them: note a newer head"
        else:
            reason = f"the entry {head.sequence} is not the one that was noted, {head}: the record was written anew"
        yield Fault(place, 0, head.sequence, reason)
