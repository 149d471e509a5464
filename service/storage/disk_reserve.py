"""Space on the disk kept back, so that detections can still be erased when the disk is full.

LMDB writes a change to new pages before it frees the old ones: even a deletion needs space. Who asks for a person's
pictures to be erased must not be told that there is no room to do so.
"""

import logging
import os
from pathlib import Path

_logger = logging.getLogger(__name__)


class DiskReserve:
    """A file of a fixed size, which is given up for a deletion that needs the space, and taken again after it."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def hold(self) -> None:
        """Take the space, or as much of it as there is; a disk with less is reported to the log."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while (missing := self._size_bytes - os.fstat(descriptor).st_size) > 0:
                # Not zeros: some file systems store those as nothing. The last of a disk is written short first.
                os.write(descriptor, os.urandom(missing))
            os.fsync(descriptor)
        except OSError as error:
            _logger.warning("no space to keep back %d bytes in %s: %s", self._size_bytes, self._path, error)
        finally:
            os.close(descriptor)

    @property
    def is_held(self) -> bool:
        """Whether all of the space is taken."""
        try:
            return self._path.stat().st_size >= self._size_bytes
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give the space up."""
        self._path.unlink(missing_ok=True)
