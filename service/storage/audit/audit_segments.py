"""The files of the audit record: JSON lines, one file for each UTC day, private to the service's user."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

from service.storage.durable_files import sync_path

_NAME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\.jsonl")

_logger = logging.getLogger(__name__)


def audit_directory(data_dir: Path) -> Path:
    """Where the audit record of a data directory lies."""
    return data_dir / "audit"


def list_segments(directory: Path) -> list[Path]:
    """The segments, oldest first."""
    return sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))


def segment_day(path: Path) -> date:
    """The UTC day that a segment is of."""
    return date.fromisoformat(path.stem)


def read_lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Number (from 1), bytes without newline, and whether there was a newline, of each line of a segment."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield number, line.removesuffix(b"\n"), line.endswith(b"\n")


class SegmentWriter:
    """Appends to the segment of the day. What was appended is on the disk; of what failed, nothing stays."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path: Path | None = None
        self._descriptor = -1
        self._whole_bytes = 0
        self._may_be_torn = False
        segments = list_segments(directory)
        if segments:
            self._open(segments[-1])

    def append(self, day: date, lines: bytes) -> None:
        """Append whole lines, all or none. A clock that was set back does not go back to an older segment.

        Raises:
            OSError: the disk is full or failed; nothing was appended.
        """
        self._cut_to_whole_lines()
        path = self._directory / f"{day.isoformat()}.jsonl"
        if self._path is None or path > self._path or not self._is_in_its_place():
            self._open(path if self._path is None else max(path, self._path))
        self._may_be_torn = True
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fdatasync(self._descriptor)
        except OSError:
            self._try_to_cut()
            raise
        self._whole_bytes += len(lines)
        self._may_be_torn = False

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor, self._path = -1, None

    def _open(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            sync_path(self._directory)
            size = os.fstat(descriptor).st_size
        except OSError:
            os.close(descriptor)
            raise
        self.close()
        self._path, self._descriptor, self._whole_bytes = path, descriptor, size

    def _is_in_its_place(self) -> bool:
        """Somebody who moves or removes a segment must not make the rest of the day vanish with it."""
        assert self._path is not None
        with suppress(FileNotFoundError):
            if os.path.samestat(self._path.stat(), os.fstat(self._descriptor)):
                return True
        _logger.error("the audit segment %s was moved or removed while the service writes it", self._path)
        return False

    def _try_to_cut(self) -> None:
        try:
            self._cut_to_whole_lines()
        except OSError as error:
            _logger.warning("%s may end in half an entry, which is cut off before the next: %s", self._path, error)

    def _cut_to_whole_lines(self) -> None:
        if self._may_be_torn:
            os.ftruncate(self._descriptor, self._whole_bytes)
            os.fsync(self._descriptor)
            self._may_be_torn = False
