"""Audit records for tests: a clock that is held, entries that tell them apart, and what then stands on the disk."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.audit.audit_events import Stopped
from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_segments import audit_directory, list_segments


@dataclass(slots=True)
class HeldClock:
    """Microseconds since the Unix epoch, as the test sets them."""

    now_us: int = round(datetime(2026, 11, 20, 10, tzinfo=UTC).timestamp()) * 1_000_000

    def __call__(self) -> int:
        return self.now_us

    def pass_days(self, days: float) -> None:
        self.now_us += round(days * 86_400_000_000)


def event(number: int) -> Stopped:
    """An event that can be told from others by its number."""
    return Stopped(number)


async def write_record(data_dir: Path, days: int = 1, entries_a_day: int = 5) -> list[Path]:
    """A record with entries on some days; returns its segments."""
    clock = HeldClock()
    audit = AuditLog.open(data_dir, clock_us=clock)
    for day in range(days):
        for number in range(entries_a_day):
            await audit.record(event(day * entries_a_day + number))
        clock.pass_days(1)
    audit.close()
    return list_segments(audit_directory(data_dir))


def read_record(data_dir: Path) -> list[dict[str, Any]]:
    """All entries, read without the code under test."""
    paths = sorted((data_dir / "audit").glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text("ascii").splitlines()]
