"""What is too old is deleted, and can be told from what was taken away."""

import os
from pathlib import Path

import pytest

from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_retention import trim_record
from service.storage.audit.audit_segments import audit_directory, list_segments
from service.storage.audit.audit_verification import verify_record
from tests.service.storage.audit_writing import HeldClock, event, read_record

pytestmark = pytest.mark.anyio


async def ten_days(data_dir: Path) -> tuple[AuditLog, HeldClock]:
    """Entries on 2026-11-20 to 29, three a day, at ten o'clock; it is ten o'clock of the last day."""
    clock = HeldClock()
    audit = AuditLog.open(data_dir, clock_us=clock)
    for day in range(10):
        for number in range(3):
            await audit.record(event(day * 3 + number))
        clock.pass_days(1)
    clock.pass_days(-1)
    return audit, clock


def days(audit: AuditLog) -> list[int]:
    return [int(path.stem[-2:]) for path in list_segments(audit.directory)]


async def test_segments_all_of_which_is_too_old_are_deleted(data_dir: Path) -> None:
    audit, clock = await ten_days(data_dir)
    # It is the 29th, 10:00. Two days back is the 27th, 10:00: the 27th has entries that are younger.
    assert await trim_record(audit, 2) == 7
    assert days(audit) == [27, 28, 29]
    found = verify_record(audit.directory)
    assert (found.faults, found.entries) == ((), 9 + 7)
    trimmed = [entry for entry in read_record(data_dir) if entry["event"] == "audit_trimmed"]
    assert [entry["first_kept_sequence"] for entry in trimmed] == [4, 7, 10, 13, 16, 19, 22]
    assert trimmed[-1]["last_removed_hash"] == read_record(data_dir)[0]["previous"]
    assert trimmed[0]["segment"] == "2026-11-20.jsonl"
    assert await trim_record(audit, 2) == 0
    clock.pass_days(0.58)  # 23:55
    assert await trim_record(audit, 2) == 0
    clock.pass_days(0.01)  # the 30th has begun, and the last moment of the 27th is two days old
    assert await trim_record(audit, 2) == 1
    assert days(audit) == [28, 29, 30]
    assert verify_record(audit.directory).faults == ()
    audit.close()


async def test_the_segment_that_is_written_to_stays(data_dir: Path) -> None:
    audit, clock = await ten_days(data_dir)
    clock.pass_days(1000)
    assert await trim_record(audit, 1) == 9
    # Its own entries of the trimming have begun a new segment; the next time the one before it goes.
    assert days(audit)[0] == 29
    assert await trim_record(audit, 1) == 1
    assert len(days(audit)) == 1
    assert verify_record(audit.directory).faults == ()
    audit.close()


async def test_more_taken_away_than_was_trimmed_shows(data_dir: Path) -> None:
    audit, _ = await ten_days(data_dir)
    await trim_record(audit, 2)
    head = audit.head
    audit.close()
    (data_dir / "audit" / "2026-11-27.jsonl").unlink()
    (fault,) = verify_record(audit.directory).faults
    assert "entries 1 to 24 are missing" in fault.reason
    assert (fault.segment, verify_record(audit.directory, [head]).faults) == ("2026-11-28.jsonl", (fault,))


async def test_a_head_noted_before_what_was_trimmed(data_dir: Path) -> None:
    audit, _ = await ten_days(data_dir)
    entries = read_record(data_dir)
    await trim_record(audit, 2)
    audit.close()
    old, last_removed = ((entry["sequence"], entry["hash"]) for entry in (entries[3], entries[20]))
    (fault,) = verify_record(audit.directory, [type(audit.head)(*old)]).faults
    assert "are deleted" in fault.reason
    assert "note a newer head" in fault.reason
    assert verify_record(audit.directory, [type(audit.head)(*last_removed)]).faults == ()


async def test_a_crash_between_the_entry_and_the_deletion(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit, clock = await ten_days(data_dir)

    def crash(_: Path) -> None:
        raise OSError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", crash)
        with pytest.raises(OSError, match="power"):
            await trim_record(audit, 2)
    audit.close()
    assert verify_record(audit.directory).faults == ()
    audit = AuditLog.open(data_dir, clock_us=clock)
    assert await trim_record(audit, 2) == 7
    audit.close()
    assert verify_record(audit.directory).faults == ()


async def test_what_cannot_be_put_on_record_is_not_deleted(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit, _ = await ten_days(data_dir)

    def fail(_: int) -> None:
        raise OSError(5, "the disk is broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        assert await trim_record(audit, 2) == 0
    assert len(days(audit)) == 10
    audit.close()


async def test_an_unreadable_neighbour_keeps_a_segment(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    audit, _ = await ten_days(data_dir)
    (audit_directory(data_dir) / "2026-11-21.jsonl").write_text("text\n")
    assert await trim_record(audit, 2) == 0
    assert "kept beyond its time" in caplog.text
    audit.close()
