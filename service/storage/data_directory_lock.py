"""One service at a time in a data directory, by a lock that the system drops when its holder dies."""

import fcntl
import os
from pathlib import Path
from typing import Self


class DataDirectoryInUse(RuntimeError):  # noqa: N818 - a state that the operator is told of, like those of service.errors
    """Another process serves from this data directory."""


class DataDirectoryLock:
    """The lock on `data_dir/lock`; the file holds the process ID of who has it, for people to read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, data_dir: Path) -> Self:
        """Take the lock of an existing directory.

        Raises:
            DataDirectoryInUse: another process has it; the message names that process.
        """
        path = data_dir / "lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise DataDirectoryInUse(
                f"the data directory {data_dir} is in use by the process with ID {holder}: stop that service, "
                "or give this one another directory (--data-dir or QACONV_DATA_DIR)"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock back. The file stays: removing it could take it from under a process that waits for it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
