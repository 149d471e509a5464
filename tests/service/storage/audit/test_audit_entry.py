"""How a line of the audit record is written and read."""

import hashlib
import json
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from service.audit.audit_events import AuditEvent, AuditRecovered
from service.storage.audit.audit_entry import GENESIS, AuditHead, DamagedEntry, encode_entry, read_entry

TIME_US = 1_795_168_800_000_001


@dataclass(frozen=True, slots=True)
class Unlucky(AuditEvent):
    event: ClassVar[str] = "unlucky"
    value: object


def test_a_line_worked_out_by_hand() -> None:
    line, head = encode_entry(GENESIS, TIME_US, AuditRecovered("2026-11-20.jsonl", 7))
    said = (
        '{"sequence":1,"previous":"' + "0" * 64 + '","time":"2026-11-20T10:00:00.000001Z","event":"audit_recovered",'
        '"segment":"2026-11-20.jsonl","cut_bytes":7}'
    )
    digest = hashlib.sha256(said.encode()).hexdigest()
    assert line.decode() == said[:-1] + f',"hash":"{digest}"}}\n'
    assert head == AuditHead(1, digest)
    following, _ = encode_entry(head, TIME_US, AuditRecovered("s", 8))
    assert json.loads(following)["previous"] == digest


def test_anybody_can_check_a_line(tmp_path: Path) -> None:
    """The command of the module's documentation."""
    line, head = encode_entry(GENESIS, TIME_US, Unlucky('é \u2028 ","hash":"' + "f" * 64 + '"}'))
    path = tmp_path / "line"
    path.write_bytes(line)
    command = f"sed -E 's/,\"hash\":\"[0-9a-f]{{64}}\"\\}}$/}}/' {path} | tr -d '\\n' | sha256sum"
    assert subprocess.check_output(["sh", "-c", command], text=True).split()[0] == head.hash


def test_what_is_read_is_what_was_written() -> None:
    line, head = encode_entry(AuditHead(41, "a" * 64), TIME_US, Unlucky({"text": '"}\n,"hash":', "score": 0.1 + 0.2}))
    assert line.count(b"\n") == 1
    entry = read_entry(line.rstrip(b"\n"))
    assert (entry.head, entry.previous, entry.event, entry.is_intact) == (head, "a" * 64, "unlucky", True)
    assert entry.fields()["value"] == {"text": '"}\n,"hash":', "score": 0.1 + 0.2}


@pytest.mark.parametrize("value", [b"\xff\xd8 a picture", float("nan"), {1, 2}])
def test_what_the_record_must_not_hold_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode_entry(GENESIS, TIME_US, Unlucky(value))


@dataclass(frozen=True, slots=True)
class Overriding(AuditEvent):
    event: ClassVar[str] = "overriding"
    sequence: int


def test_an_event_cannot_take_the_place_of_what_binds_it() -> None:
    with pytest.raises(ValueError, match="sequence"):
        encode_entry(GENESIS, TIME_US, Overriding(7))


def test_every_changed_bit_shows() -> None:
    line = encode_entry(GENESIS, TIME_US, AuditRecovered("s", 8))[0].rstrip(b"\n")
    for place in range(len(line)):
        for bit in range(8):
            changed = bytearray(line)
            changed[place] ^= 1 << bit
            with suppress(DamagedEntry):
                assert not read_entry(bytes(changed)).is_intact


@pytest.mark.parametrize("line", [b"", b"{}", b"\0" * 300, b'{"sequence":1}', b"text"])
def test_what_is_no_entry(line: bytes) -> None:
    with pytest.raises(DamagedEntry):
        read_entry(line)


def test_a_noted_head() -> None:
    assert AuditHead.parse(f"12:{'ab' * 32}") == AuditHead(12, "ab" * 32)
    assert str(AuditHead(12, "ab" * 32)) == f"12:{'ab' * 32}"
    for text in ("", "12", f"-1:{'ab' * 32}", f"1:{'AB' * 32}", "1:ab", f"1:{'ab' * 32}\n"):
        with pytest.raises(ValueError, match="SEQUENCE:HASH"):
            AuditHead.parse(text)
