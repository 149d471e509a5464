"""Reads from an audit record which detections were erased and when, so that a restore does not bring them back."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.records import DetectionFilter

_ERASING_EVENTS = {"erased", "retention"}


class UnreadableErasures(ValueError):  # noqa: N818 - the entries are
    """An audit record of which it cannot be said what was erased; the message says where and what to do."""


@dataclass(slots=True)
class RecordedErasures:
    """What an audit record says was erased.

    Attributes:
        times_us: when each detection was last erased, in microseconds since the Unix epoch, by its ID.
        unfinished: erasures by filter that did not end, by a crash or an error: all that they meant may be erased.
    """

    times_us: dict[str, int] = field(default_factory=dict)
    unfinished: list[DetectionFilter] = field(default_factory=list)

    def note(self, detection_id: str, time_us: int) -> None:
        """One more erasure of a detection."""
        self.times_us[detection_id] = max(time_us, self.times_us.get(detection_id, time_us))


def read_erasures(audit_dir: Path, backup_us: int) -> RecordedErasures:
    """What was erased.

    Args:
        audit_dir: holds segments, files of JSON lines. A last line without an end was never on record and is left out.
        backup_us: when the backup was made. What an unfinished erasure did before that, the backup shows.

    Raises:
        UnreadableErasures: there is no such folder, or a line is no entry: what it said might be an erasure.
        OSError: a segment cannot be read.
    """
    if not audit_dir.is_dir():
        raise UnreadableErasures(f"there is no audit record: {audit_dir} is not a folder")
    reading = _Reading(backup_us)
    for segment in sorted(audit_dir.glob("*.jsonl")):
        _read_segment(segment, reading)
    reading.end_all(None)
    return reading.erasures


def _read_segment(segment: Path, reading: "_Reading") -> None:
    with segment.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                reading.take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise UnreadableErasures(
                    f"{segment}, line {number} is no entry of an audit record ({type(error).__name__}: {error}): what "
                    "was erased cannot be told from it. Give a copy of the record that is whole"
                ) from error


class _Reading:
    """Entry by entry, in their order; requests are held open until their end is read, or another start."""

    def __init__(self, backup_us: int) -> None:
        self.erasures = RecordedErasures()
        self._backup_us = backup_us
        self._open: dict[int, tuple[dict[str, Any], int]] = {}

    def take(self, entry: dict[str, Any]) -> None:
        event = entry["event"]
        if event == "erase_requested":
            self._open[entry["sequence"]] = (entry["meant"], _microseconds(entry["time"]))
        elif event == "started" and self._open:
            self.end_all(_microseconds(entry["time"]))
        elif event in _ERASING_EVENTS and "detection_ids" in entry:
            time_us = _microseconds(entry["time"])
            for detection_id in entry["detection_ids"]:
                self.erasures.note(str(detection_id), time_us)
            request = self._open.pop(entry.get("requested") or 0, None)
            if request is not None and not entry.get("is_complete", True):
                self._end_unfinished(*request, time_us)

    def end_all(self, time_us: int | None) -> None:
        """A service that starts goes on with no erasure of the one before it."""
        for meant, requested_us in self._open.values():
            self._end_unfinished(meant, requested_us, time_us)
        self._open.clear()

    def _end_unfinished(self, meant: dict[str, Any], requested_us: int, end_us: int | None) -> None:
        if end_us is not None and end_us < self._backup_us:
            return
        if meant["detection_id"] is not None:
            self.erasures.note(meant["detection_id"], requested_us)
            return
        time_from, time_to = meant["time_from"], meant["time_to"]
        self.erasures.unfinished.append(
            DetectionFilter(
                camera_id=meant["camera_id"],
                track_id=meant["track_id"],
                person_id=meant["person_id"],
                time_from_us=None if time_from is None else _microseconds(time_from),
                time_to_us=None if time_to is None else _microseconds(time_to),
                created_before_us=requested_us,
            )
        )


def _microseconds(time: object) -> int:
    """Of RFC 3339 with an offset, or of Unix seconds."""
    if isinstance(time, int | float):
        return round(time * 1_000_000)
    moment = datetime.fromisoformat(str(time))
    if moment.tzinfo is None:
        raise ValueError(f"the time {time!r} has no offset")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
