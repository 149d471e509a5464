"""Every kind of tampering with the audit record shows."""

import asyncio
import json
import random
from pathlib import Path

import pytest

from service.storage.audit.audit_entry import AuditHead, encode_entry
from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_segments import audit_directory
from service.storage.audit.audit_verification import Verification, verify_record
from tests.service.storage.audit_writing import HeldClock, event, write_record

pytestmark = pytest.mark.anyio


@pytest.fixture
async def segments(data_dir: Path) -> list[Path]:
    """Three days with five entries each."""
    return await write_record(data_dir, days=3)


def lines_of(segment: Path) -> list[bytes]:
    return segment.read_bytes().splitlines(keepends=True)


def verify(segments: list[Path], *noted: AuditHead) -> Verification:
    return verify_record(segments[0].parent, noted)


def told(segments: list[Path], *noted: AuditHead) -> list[str]:
    return [str(fault) for fault in verify(segments, *noted).faults]


async def test_a_record_as_it_was_written(segments: list[Path]) -> None:
    found = verify(segments)
    assert found.faults == ()
    assert (found.entries, found.segments, found.head.sequence) == (15, 3, 15)
    assert (found.first_time, found.last_time) == ("2026-11-20T10:00:00.000000Z", "2026-11-22T10:00:00.000000Z")
    assert verify(segments, found.head, AuditHead(0, "0" * 64)).faults == ()


async def test_a_record_without_entries(data_dir: Path) -> None:
    AuditLog.open(data_dir).close()
    found = verify_record(audit_directory(data_dir))
    assert (found.entries, found.faults, found.first_time) == (0, (), None)
    (fault,) = verify_record(audit_directory(data_dir), [AuditHead(3, "a" * 64)]).faults
    assert "ends with entry 0; its end was cut off" in fault.reason


async def test_a_changed_byte_anywhere(segments: list[Path]) -> None:
    generator = random.Random(5)
    for segment in segments:
        content = segment.read_bytes()
        for place in [0, len(content) - 1, *generator.sample(range(len(content)), 60)]:
            changed = bytearray(content)
            changed[place] ^= 1 << generator.randrange(8)
            segment.write_bytes(changed)
            assert verify(segments).faults, (segment, place)
        segment.write_bytes(content)
    assert verify(segments).faults == ()


async def test_a_changed_entry_is_named(segments: list[Path]) -> None:
    segments[1].write_bytes(segments[1].read_bytes().replace(b'"detections":7', b'"detections":8'))
    assert told(segments) == [
        "2026-11-21.jsonl, line 3, entry 8: the entry was changed: its hash is not that of what it says"
    ]


async def test_an_entry_changed_with_its_hash(segments: list[Path]) -> None:
    """Whoever makes the hash anew has to make all that follow anew."""
    lines = lines_of(segments[1])
    entry = json.loads(lines[2])
    lines[2] = encode_entry(AuditHead(7, entry["previous"]), 1_795_255_200_000_000, event(700))[0]
    segments[1].write_bytes(b"".join(lines))
    assert told(segments) == [
        "2026-11-21.jsonl, line 4, entry 9: it does not follow the entry 8 that stands before it: one of the two was "
        "replaced"
    ]


async def test_a_removed_line(segments: list[Path]) -> None:
    lines = lines_of(segments[1])
    segments[1].write_bytes(b"".join(lines[:1] + lines[3:]))
    assert told(segments) == ["2026-11-21.jsonl, line 2, entry 9: 2 entries before it are missing, from 7 on"]


@pytest.mark.parametrize("place", [0, 4])
async def test_a_removed_line_at_the_edge_of_a_segment(segments: list[Path], place: int) -> None:
    lines = lines_of(segments[1])
    del lines[place]
    segments[1].write_bytes(b"".join(lines))
    (fault,) = verify(segments).faults
    assert "1 entries before it are missing" in fault.reason


async def test_swapped_lines(segments: list[Path]) -> None:
    lines = lines_of(segments[0])
    lines[1], lines[2] = lines[2], lines[1]
    segments[0].write_bytes(b"".join(lines))
    assert [(fault.line, fault.sequence) for fault in verify(segments).faults] == [(2, 3), (3, 2), (4, 4)]


async def test_an_inserted_line(segments: list[Path]) -> None:
    lines = lines_of(segments[0])
    segments[0].write_bytes(b"".join([*lines[:3], lines[1], *lines[3:]]))
    assert "it stands after entry 3: it was moved, repeated or put in" in told(segments)[0]
    segments[0].write_bytes(b"".join([*lines[:3], b'{"event":"search"}\n', *lines[3:]]))
    assert told(segments) == ["2026-11-20.jsonl, line 4, entry 4: the line is not an entry of the record"]


@pytest.mark.parametrize(("removed", "missing"), [(0, "entries 1 to 5 are missing"), (1, "5 entries before it")])
async def test_a_removed_segment(segments: list[Path], removed: int, missing: str) -> None:
    segments[removed].unlink()
    (fault,) = verify_record(segments[0].parent).faults
    assert missing in fault.reason


async def test_a_segment_of_another_record(segments: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    clock = HeldClock()
    audit = AuditLog.open(other, clock_us=clock)
    for number in range(10):
        await audit.record(event(100 + number))
        if number == 4:
            clock.pass_days(1)
    audit.close()
    segments[1].write_bytes((other / "audit" / segments[1].name).read_bytes())
    assert len(verify(segments).faults) == 2


async def test_an_end_cut_off_shows_only_to_who_noted_a_head(segments: list[Path]) -> None:
    head = verify(segments).head
    lines = lines_of(segments[2])
    segments[2].write_bytes(b"".join(lines[:3]))
    assert told(segments) == []
    assert "the record ends with entry 13; its end was cut off" in told(segments, head)[0]
    segments[2].unlink()
    assert told(segments) == []
    assert "ends with entry 10" in told(segments, head)[0]


async def test_a_record_written_anew_shows_only_to_who_noted_a_head(segments: list[Path], data_dir: Path) -> None:
    head = verify(segments).head
    for segment in segments:
        segment.unlink()
    await write_record(data_dir, days=4)
    clean = verify(segments)
    assert clean.faults == ()
    segments[2].write_bytes(b"")
    assert told(segments, AuditHead(3, head.hash))[-1].endswith("the record was written anew")


async def test_an_end_that_is_no_whole_line(segments: list[Path]) -> None:
    content = segments[2].read_bytes()
    segments[2].write_bytes(content[:-1])
    assert "cut short" in told(segments)[0]
    segments[2].write_bytes(content[:-30])
    assert "not an entry" in told(segments)[0]


async def test_while_a_service_writes(data_dir: Path) -> None:
    """What is half written at the moment is waited for, and no fault."""
    audit = AuditLog.open(data_dir)
    stop = False

    async def write() -> None:
        number = 0
        while not stop:
            await audit.record(event(number))
            number += 1

    writing = asyncio.create_task(write())
    for _ in range(20):
        found = await asyncio.to_thread(verify_record, audit.directory)
        assert found.faults == ()
    stop = True
    await writing
    audit.close()
