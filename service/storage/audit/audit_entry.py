r"""One line of the audit record: an event, its place in the chain, and the hash that binds it to the line before.

A line is a JSON object that begins with `sequence`, `previous` (the hash of the line before), `time` and `event` and
ends with `hash`. The hash is SHA-256 over the very bytes of the line without its `,"hash":"…"`, so that anybody can
check it without knowing how this program writes JSON:

    sed -E 's/,"hash":"[0-9a-f]{64}"\}$/}/' | tr -d '\n' | sha256sum
"""

import json
import re
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Self

from service.audit.audit_events import AuditEvent
from service.rfc_3339 import format_moment

_HASH = "[0-9a-f]{64}"
_HEAD = re.compile(rf"([0-9]{{1,18}}):({_HASH})")
_BEGINNING = re.compile(
    rb'\{"sequence":([0-9]{1,18}),"previous":"([0-9a-f]{64})","time":"([0-9T:.Z-]+)","event":"([a-z_]+)"[,}]'
)
_END = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_END_BYTES = len(',"hash":""}') + 64


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The last entry of a chain, which vouches for all before it: its number, from 1, and its hash, 64 hex digits."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The head that was noted as `SEQUENCE:HASH`. Raises ValueError."""
        found = _HEAD.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not SEQUENCE:HASH, a number and 64 hexadecimal digits in small letters")
        return cls(int(found[1]), found[2])


GENESIS = AuditHead(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry as it stands in a segment.

    Attributes:
        line: without its newline.
        is_intact: whether the hash is that of the line.
    """

    head: AuditHead
    previous: str
    time: str
    event: str
    line: bytes
    is_intact: bool

    def fields(self) -> dict[str, Any]:
        """All members. Raises ValueError where the line is no JSON object, which only one that is not intact can be."""
        members = json.loads(self.line)
        assert isinstance(members, dict)
        return members


class DamagedEntry(ValueError):  # noqa: N818 - as DamagedRecord
    """A line that is no entry."""


def encode_entry(before: AuditHead, time_us: int, event: AuditEvent) -> tuple[bytes, AuditHead]:
    """The line of an event, newline included, and the head that it makes.

    Raises:
        TypeError, ValueError: the event holds what the record must not hold: bytes, NaN, a second `sequence`.
    """
    sequence = before.sequence + 1
    place = {"sequence": sequence, "previous": before.hash, "time": format_moment(time_us), "event": event.event}
    members = asdict(event)
    if taken := members.keys() & {*place, "hash"}:
        raise ValueError(f"the event {event.event} has fields that every entry has of its own: {sorted(taken)}")
    # ASCII: no character that some reader takes for the end of a line.
    text = json.dumps({**place, **members}, separators=(",", ":"), allow_nan=False)
    digest = sha256(text.encode("ascii")).hexdigest()
    return f'{text[:-1]},"hash":"{digest}"}}\n'.encode("ascii"), AuditHead(sequence, digest)


def read_entry(line: bytes) -> AuditEntry:
    """The entry of a line (without newline), whether or not its hash is right.

    Raises:
        DamagedEntry: it does not look like an entry at all.
    """
    beginning = _BEGINNING.match(line)
    end = _END.fullmatch(line, max(0, len(line) - _END_BYTES))
    if beginning is None or end is None:
        raise DamagedEntry("the line is not an entry of the record")
    sequence, previous, time, event = (part.decode("ascii") for part in beginning.groups())
    digest = end[1].decode("ascii")
    hashed = sha256(line[:-_END_BYTES])
    hashed.update(b"}")
    return AuditEntry(
        AuditHead(int(sequence), digest), previous, time, event, line, is_intact=hashed.hexdigest() == digest
    )
