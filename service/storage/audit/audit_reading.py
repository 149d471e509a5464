"""Reads entries of the audit record, for people and for the service itself."""

import mmap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from service.storage.audit.audit_entry import AuditEntry, DamagedEntry, read_entry
from service.storage.audit.audit_segments import list_segments, read_lines


def iterate_entries(directory: Path) -> Iterator[AuditEntry]:
    """All entries, oldest first; a line that is none is passed over, and is the business of the verification."""
    for path in list_segments(directory):
        for _, line, _ in read_lines(path):
            try:
                yield read_entry(line)
            except DamagedEntry:
                continue


def find_newest(directory: Path) -> AuditEntry | None:
    """The last entry; None if there is none. Reads the newest segment that has one."""
    for path in reversed(list_segments(directory)):
        newest = None
        for _, line, _ in read_lines(path):
            with suppress(DamagedEntry):
                newest = read_entry(line)
        if newest is not None:
            return newest
    return None


def find_last(directory: Path, event: str) -> AuditEntry | None:
    """The newest entry of an event, None if there is none. Looks for its bytes alone, the newest segment first."""
    # Quotation marks inside of strings are escaped in JSON: these bytes stand nowhere but in an entry's own member.
    sought = b'","event":"%s"' % event.encode("ascii")
    for path in reversed(list_segments(directory)):
        line = _last_line_with(path, sought)
        if line is not None:
            return read_entry(line)
    return None


def _last_line_with(path: Path, sought: bytes) -> bytes | None:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = content.rfind(sought)
            if found < 0:
                return None
            start = content.rfind(b"\n", 0, found) + 1
            end = content.find(b"\n", found)
            return content[start : end if end >= 0 else len(content)]
