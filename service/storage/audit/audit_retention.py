"""Deletes the audit record's oldest segments, so that what was too old can be told from what was taken away."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from service.audit.audit_events import AuditTrimmed
from service.storage.audit.audit_entry import DamagedEntry, read_entry
from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_segments import list_segments, read_lines, segment_day
from service.storage.durable_files import sync_path

_logger = logging.getLogger(__name__)


async def trim_record(audit: AuditLog, retention_days: int) -> int:
    """Delete the segments all of whose entries are older than they are kept; returns how many.

    Before each, an entry says where the record begins from then on. The segment that is written to stays.

    Raises:
        OSError: a segment cannot be read or deleted.
        Unavailable: the record is closed.
    """
    now = datetime.fromtimestamp(audit.clock_us() / 1e6, UTC)
    trimmed = 0
    for old, following in pairwise(list_segments(audit.directory)):
        end_of_day = datetime.combine(segment_day(old), datetime.min.time(), UTC) + timedelta(days=1)
        if end_of_day + timedelta(days=retention_days) > now:
            break
        event = _describe_trimming(old, following)
        # What is not on record is not deleted: it would look as if it had been taken away.
        if event is None or await audit.record_regardless(event) is None:
            break
        old.unlink()
        sync_path(audit.directory)
        trimmed += 1
        _logger.info("deleted the audit segment %s, older than %d days", old.name, retention_days)
    return trimmed


def _describe_trimming(old: Path, following: Path) -> AuditTrimmed | None:
    try:
        entry = next(read_entry(line) for line in _lines(following))
    except (StopIteration, DamagedEntry) as error:
        _logger.error("%s is kept beyond its time: the first entry of %s cannot be read: %s", old, following, error)
        return None
    return AuditTrimmed(old.name, entry.head.sequence, entry.previous)


def _lines(path: Path) -> Iterator[bytes]:
    return (line for _, line, _ in read_lines(path))
