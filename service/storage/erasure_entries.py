"""Reads from an audit record which detections were erased and when, so that a restore does not bring them back."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_ERASING_EVENTS = {"erased", "retention"}


class UnreadableErasures(ValueError):  # noqa: N818 - the entries are
    """An audit record of which it cannot be said what was erased; the message says where and what to do."""


def read_erasures(audit_dir: Path) -> dict[str, int]:
    """When each detection was last erased, in microseconds since the Unix epoch, by its ID.

    Args:
        audit_dir: holds segments, files of JSON lines. A last line without an end was never on record and is left out.

    Raises:
        UnreadableErasures: there is no such folder, or a line is no entry: what it said might be an erasure.
        OSError: a segment cannot be read.
    """
    if not audit_dir.is_dir():
        raise UnreadableErasures(f"there is no audit record: {audit_dir} is not a folder")
    erased: dict[str, int] = {}
    for segment in sorted(audit_dir.glob("*.jsonl")):
        for detection_id, time_us in _erasures_in(segment):
            erased[detection_id] = max(time_us, erased.get(detection_id, time_us))
    return erased


def _erasures_in(segment: Path) -> Iterator[tuple[str, int]]:
    with segment.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                entry: Any = json.loads(line)
                if entry["event"] not in _ERASING_EVENTS or "detection_ids" not in entry:
                    continue
                time_us = _microseconds(entry["time"])
                detection_ids = [str(each) for each in entry["detection_ids"]]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise UnreadableErasures(
                    f"{segment}, line {number} is no entry of an audit record ({type(error).__name__}: {error}): what "
                    "was erased cannot be told from it. Give a copy of the record that is whole"
                ) from error
            for detection_id in detection_ids:
                yield detection_id, time_us


def _microseconds(time: object) -> int:
    """Of RFC 3339 with an offset, or of Unix seconds."""
    if isinstance(time, int | float):
        return round(time * 1_000_000)
    moment = datetime.fromisoformat(str(time))
    if moment.tzinfo is None:
        raise ValueError(f"the time {time!r} has no offset")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
