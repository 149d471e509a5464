"""Writing the audit record: whole, in order, on disk, and what is found of it after a crash."""

import asyncio
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from service.audit.audit_events import AuditEvent
from service.errors import QueueFull, Unavailable
from service.storage.audit.audit_entry import GENESIS
from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_segments import audit_directory
from service.storage.audit.audit_verification import verify_record
from service.storage.audit.audit_writer import AuditWrite, AuditWriter
from tests.service.storage.audit_writing import HeldClock, event, read_record, write_record

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def audit(data_dir: Path, clock: HeldClock) -> Iterator[AuditLog]:
    audit = AuditLog.open(data_dir, max_waiting=100, clock_us=clock)
    yield audit
    audit.close()


@dataclass(frozen=True, slots=True)
class Wrong(AuditEvent):
    event: ClassVar[str] = "wrong"
    picture: bytes


def faults(data_dir: Path) -> list[str]:
    return [str(fault) for fault in verify_record(audit_directory(data_dir)).faults]


async def test_entries_are_a_chain_and_private(audit: AuditLog, data_dir: Path) -> None:
    assert audit.head == GENESIS
    places = [await audit.record(event(number)) for number in range(3)]
    assert [place.sequence for place in places if place] == [1, 2, 3]
    assert audit.head == places[-1]
    entries = read_record(data_dir)
    assert [entry["detections"] for entry in entries] == [0, 1, 2]
    assert entries[0]["time"] == "2026-11-20T10:00:00.000000Z"
    assert [entry["previous"] for entry in entries] == ["0" * 64, entries[0]["hash"], entries[1]["hash"]]
    segment = data_dir / "audit" / "2026-11-20.jsonl"
    assert stat.S_IMODE(segment.stat().st_mode) == 0o600
    assert stat.S_IMODE(segment.parent.stat().st_mode) == 0o700
    assert faults(data_dir) == []


async def test_sixteen_at_once_share_synchronisations(
    audit: AuditLog, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fdatasync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: (synced.append(descriptor), fdatasync(descriptor)))

    async def client(name: int) -> None:
        for number in range(20):
            place = await audit.record(event(name * 100 + number))
            assert place is not None

    await asyncio.gather(*(client(name) for name in range(16)))
    entries = read_record(data_dir)
    assert [entry["sequence"] for entry in entries] == list(range(1, 321))
    for name in range(16):
        of_client = [entry["detections"] for entry in entries if entry["detections"] // 100 == name]
        assert of_client == [name * 100 + number for number in range(20)]
    assert len(synced) < 320
    assert faults(data_dir) == []


async def test_a_new_day_has_a_new_segment_and_a_clock_set_back_none(
    audit: AuditLog, data_dir: Path, clock: HeldClock
) -> None:
    await audit.record(event(0))
    clock.pass_days(1)
    await audit.record(event(1))
    clock.pass_days(-1)
    await audit.record(event(2))
    names = sorted(path.name for path in (data_dir / "audit").glob("*.jsonl"))
    assert names == ["2026-11-20.jsonl", "2026-11-21.jsonl"]
    assert [entry["detections"] for entry in read_record(data_dir)] == [0, 1, 2]
    assert faults(data_dir) == []


async def test_a_record_is_gone_on_with(data_dir: Path) -> None:
    await write_record(data_dir, days=2)
    await write_record(data_dir, days=3)
    assert [entry["sequence"] for entry in read_record(data_dir)] == list(range(1, 26))
    assert faults(data_dir) == []


@pytest.mark.parametrize("torn", [b'{"sequence":6,"prev', b"\0" * 5000, b"{}\n", b"\n"])
async def test_what_a_crash_left_is_cut_off_and_told(data_dir: Path, torn: bytes) -> None:
    (segment,) = await write_record(data_dir)
    with segment.open("ab") as file:
        file.write(torn)
    audit = AuditLog.open(data_dir, clock_us=HeldClock())
    await audit.record(event(5))
    audit.close()
    entries = read_record(data_dir)
    assert [entry["event"] for entry in entries] == ["stopped"] * 5 + ["audit_recovered", "stopped"]
    assert (entries[5]["segment"], entries[5]["cut_bytes"]) == ("2026-11-20.jsonl", len(torn))
    assert faults(data_dir) == []


async def test_a_last_entry_without_its_newline_was_not_answered(data_dir: Path) -> None:
    (segment,) = await write_record(data_dir)
    os.truncate(segment, segment.stat().st_size - 1)
    audit = AuditLog.open(data_dir, clock_us=HeldClock())
    await audit.retry()
    audit.close()
    assert [entry["event"] for entry in read_record(data_dir)] == ["stopped"] * 4 + ["audit_recovered"]
    assert faults(data_dir) == []


async def test_a_segment_that_is_nothing_but_torn(data_dir: Path) -> None:
    segments = await write_record(data_dir, days=2)
    segments[1].write_bytes(b'{"sequence"')
    audit = AuditLog.open(data_dir, clock_us=HeldClock())
    assert audit.head.sequence == 5
    await audit.record(event(5))
    audit.close()
    assert [entry["sequence"] for entry in read_record(data_dir)] == list(range(1, 8))
    assert faults(data_dir) == []


async def test_a_broken_chain_does_not_keep_the_service_from_its_work(data_dir: Path) -> None:
    (segment,) = await write_record(data_dir)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    audit = AuditLog.open(data_dir, clock_us=HeldClock())
    await audit.record(event(5))
    assert audit.failure is None
    audit.close()
    entries = read_record(data_dir)
    assert [entry["event"] for entry in entries[4:]] == ["audit_broken", "stopped"]
    assert (entries[4]["line"], entries[4]["broken_sequence"]) == (3, 4)
    assert faults(data_dir) == ["2026-11-20.jsonl, line 3, entry 4: 1 entries before it are missing, from 3 on"]


async def test_an_event_that_cannot_be_written_fails_alone(audit: AuditLog, data_dir: Path) -> None:
    outcomes = await asyncio.gather(
        audit.record(event(0)), audit.record(Wrong(b"\xff\xd8")), audit.record(event(1)), return_exceptions=True
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["AuditHead", "TypeError", "AuditHead"]
    assert [entry["detections"] for entry in read_record(data_dir)] == [0, 1]
    assert faults(data_dir) == []


async def test_who_gives_up_is_on_record_nonetheless(
    data_dir: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()
    commit = AuditWriter.commit

    def wait(writer: AuditWriter, group: Sequence[AuditWrite]) -> None:
        begun.set()
        may_end.wait(10)
        commit(writer, group)

    monkeypatch.setattr(AuditWriter, "commit", wait)
    audit = AuditLog.open(data_dir, clock_us=clock)
    first = asyncio.create_task(audit.record(event(0)))
    await asyncio.to_thread(begun.wait, 10)
    second = asyncio.create_task(audit.record(event(1)))
    await asyncio.sleep(0)
    audit.note(event(2))
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    may_end.set()
    await first
    audit.close()
    assert [entry["detections"] for entry in read_record(data_dir)] == [0, 1, 2]


async def test_a_bounded_number_waits(data_dir: Path) -> None:
    audit = AuditLog.open(data_dir, max_waiting=2, clock_us=HeldClock())
    outcomes = await asyncio.gather(*(audit.record(event(n)) for n in range(50)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, QueueFull)]
    assert refused
    await asyncio.gather(*(audit.record_regardless(event(n)) for n in range(50)))
    audit.close()
    assert len(read_record(data_dir)) == 100 - len(refused)


async def test_after_closing_nothing_is_taken(audit: AuditLog) -> None:
    await audit.record(event(0))
    audit.close()
    assert not audit.is_alive
    for call in (audit.record, audit.record_regardless):
        with pytest.raises(Unavailable, match="shutting down"):
            await call(event(1))


async def test_a_segment_that_somebody_moves_away_does_not_take_the_rest_of_the_day(
    audit: AuditLog, data_dir: Path, tmp_path: Path
) -> None:
    await audit.record(event(0))
    (data_dir / "audit" / "2026-11-20.jsonl").rename(tmp_path / "elsewhere")
    await audit.record(event(1))
    assert [entry["sequence"] for entry in read_record(data_dir)] == [2]
    assert "entries 1 to 1 are missing" in faults(data_dir)[0]


RECORD = """
import asyncio, sys
from pathlib import Path
from service.audit.audit_events import Stopped
from service.storage.audit.audit_log import AuditLog

async def client(audit, name):
    for number in range(1_000_000):
        place = await audit.record(Stopped(name * 1_000_000 + number))
        sys.stdout.write(f"{place}\\n")
        sys.stdout.flush()

async def main():
    audit = AuditLog.open(Path(sys.argv[1]))
    await asyncio.gather(*(client(audit, name) for name in range(4)))

asyncio.run(main())
"""


@pytest.mark.parametrize("answers", [1, 50, 333])
async def test_every_answered_entry_survives_kill_9(data_dir: Path, answers: int) -> None:
    with subprocess.Popen([sys.executable, "-c", RECORD, str(data_dir)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answered = [process.stdout.readline().strip() for _ in range(answers)]
        process.kill()
        answered += [line.strip() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    AuditLog.open(data_dir).close()
    found = {f"{entry['sequence']}:{entry['hash']}" for entry in read_record(data_dir)}
    assert set(answered) <= found
    assert faults(data_dir) == []
