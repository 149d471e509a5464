"""A disk that is full or fails: nothing goes unrecorded but an erasure, nothing recorded is lost, and it resumes."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import StorageFull, Unavailable
from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_segments import audit_directory
from service.storage.audit.audit_verification import verify_record
from tests.service.storage.audit_writing import HeldClock, event, read_record
from tests.service.storage.small_disk import run_on_small_disk

pytestmark = pytest.mark.anyio

# The audit record on a disk of 4 MiB that another file fills.
FILL = """
import asyncio, os, sys
from pathlib import Path
from service.audit.audit_events import AuditedFilter, EraseRequested, Searched, Source, Stopped
from service.errors import StorageFull
from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_verification import verify_record
from service.storage.disk_reserve import DiskReserve

async def main():
    data_dir = Path(sys.argv[1])
    data_dir.mkdir()
    audit = AuditLog.open(data_dir)
    recorded = [await audit.record(Stopped(number)) for number in range(10)]
    filling = data_dir / "filling"
    DiskReserve(filling, 2**24).hold()
    refused = 0
    for number in range(200):
        try:
            recorded.append(await audit.record(Stopped(100 + number)))
        except StorageFull as error:
            refused += 1
            told = str(error)
    assert refused > 100, refused
    print(told)
    assert audit.failure == told
    erasures = [
        await audit.record_regardless(EraseRequested(Source(None, None, None, "r"), AuditedFilter(person_id=f"p{n}")))
        for n in range(500)
    ]
    assert all(erasures), erasures.count(None)
    await audit.retry()
    assert audit.failure is not None
    filling.unlink()
    await audit.retry()
    assert audit.failure is None
    recorded.append(await audit.record(Stopped(999)))
    audit.close()
    lines = b"".join(path.read_bytes() for path in sorted(audit.directory.glob("*.jsonl")))
    for place in [*recorded, *erasures]:
        assert place.hash.encode() in lines
    assert b'"event":"audit_resumed"' in lines and f'"refused":{refused}'.encode() in lines
    found = verify_record(audit.directory)
    assert found.faults == (), found.faults
    assert found.entries == len(recorded) + len(erasures) + 1

asyncio.run(main())
"""


def test_a_full_disk(tmp_path: Path) -> None:
    told = run_on_small_disk(tmp_path, 4, FILL)
    assert "is full (0 bytes are free), and nothing is answered that is not on record" in told


# A limit on the size of files acts as the end of a disk does: the write that exceeds it is cut short.
CUT_SHORT = """
import asyncio, resource, signal, sys
from pathlib import Path
from service.audit.audit_events import Stopped
from service.errors import StorageFull
from service.storage.audit.audit_log import AuditLog

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

async def main():
    audit = AuditLog.open(Path(sys.argv[1]))
    for number in range(5):
        await audit.record(Stopped(number))
    size = next(audit.directory.glob("*.jsonl")).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, 2**30))
    outcomes = await asyncio.gather(*(audit.record(Stopped(n)) for n in range(50)), return_exceptions=True)
    assert {type(each) for each in outcomes} == {StorageFull}, outcomes
    assert next(audit.directory.glob("*.jsonl")).stat().st_size == size
    assert await audit.record_regardless(Stopped(7)) is None
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))
    await audit.retry()
    await audit.record(Stopped(8))
    audit.close()

asyncio.run(main())
"""


def test_a_write_that_is_cut_short_leaves_nothing(data_dir: Path) -> None:
    subprocess.run([sys.executable, "-c", CUT_SHORT, str(data_dir)], check=True)
    entries = read_record(data_dir)
    assert [entry.get("detections") for entry in entries] == [0, 1, 2, 3, 4, 7, None, 8]
    assert entries[6]["event"] == "audit_resumed"
    assert verify_record(audit_directory(data_dir)).faults == ()


class FailingDisk:
    """Synchronisations that fail for as long as it is said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_failing = False
        self._fdatasync = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self.synchronise)

    def synchronise(self, descriptor: int) -> None:
        if self.is_failing:
            raise OSError(5, "Input/output error")
        self._fdatasync(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FailingDisk:
    return FailingDisk(monkeypatch)


async def test_a_failing_disk_refuses_searches_and_owes_erasures(
    data_dir: Path, disk: FailingDisk, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HeldClock()
    audit = AuditLog.open(data_dir, clock_us=clock)
    await audit.record(event(0))
    head = audit.head
    disk.is_failing = True
    outcomes = await asyncio.gather(
        audit.record(event(1)), audit.record_regardless(event(2)), audit.record(event(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Unavailable, type(None), Unavailable]
    assert "Input/output error" in str(outcomes[0])
    assert "an event stopped goes ahead and is not on the audit record; it is written when" in caplog.text
    assert audit.failure is not None
    assert audit.head == head
    assert [entry["detections"] for entry in read_record(data_dir)] == [0]
    clock.pass_days(0.01)
    disk.is_failing = False
    await audit.retry()
    assert audit.failure is None
    audit.close()
    entries = read_record(data_dir)
    assert [entry["event"] for entry in entries] == ["stopped", "stopped", "audit_resumed"]
    assert entries[1]["detections"] == 2
    # The time is that of the event, not that of the writing.
    assert entries[1]["time"] == entries[2]["failing_since"] == "2026-11-20T10:00:00.000000Z"
    assert entries[2]["refused"] == 2
    assert verify_record(audit_directory(data_dir)).faults == ()


async def test_a_record_that_cannot_be_cut_back_is_cut_before_the_next_entry(
    data_dir: Path, disk: FailingDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = AuditLog.open(data_dir, clock_us=HeldClock())
    await audit.record(event(0))

    def refuse(_: int, __: int) -> None:
        raise OSError(5, "Input/output error")

    disk.is_failing = True
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", refuse)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await audit.record(event(1))
        disk.is_failing = False
        with pytest.raises(Unavailable):
            await audit.record(event(1))
    assert [entry["detections"] for entry in read_record(data_dir)] == [0, 1]
    await audit.record(event(2))
    audit.close()
    assert [entry.get("detections") for entry in read_record(data_dir)] == [0, None, 2]
    assert verify_record(audit_directory(data_dir)).faults == ()


async def test_a_full_disk_is_named_as_such(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = AuditLog.open(data_dir, clock_us=HeldClock())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(
        StorageFull, match=r"bytes are free\), and nothing is answered that is not on record: free space"
    ):
        await audit.record(event(0))
    audit.close()
