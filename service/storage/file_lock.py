"""An exclusive lock on a file, which the system drops when its holder dies."""

import fcntl
import os
from pathlib import Path
from typing import Self


class FileLockHeld(RuntimeError):  # noqa: N818 - a state that the operator is told of, like those of service.errors
    """Another process has the lock.

    Attributes:
        holder: the process ID of who has it, or "unknown".
    """

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is locked by the process with ID {holder}")
        self.holder = holder


class FileLock:
    """A lock; the file holds the process ID of who has it, for people to read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Take the lock, or raise FileLockHeld at once; the file is made if it is not there."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise FileLockHeld(path, holder) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock back. The file stays: removing it could take it from under a process that waits for it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
