"""One service at a time in a data directory, by a lock that the system drops when its holder dies."""

from pathlib import Path
from typing import Self

from service.storage.file_lock import FileLock, FileLockHeld


class DataDirectoryInUse(RuntimeError):  # noqa: N818 - a state that the operator is told of, like those of service.errors
    """Another process serves from this data directory."""


class DataDirectoryLock:
    """The lock on `data_dir/lock`; the file holds the process ID of who has it, for people to read."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    @classmethod
    def acquire(cls, data_dir: Path) -> Self:
        """Take the lock of an existing directory.

        Raises:
            DataDirectoryInUse: another process has it; the message names that process.
        """
        try:
            return cls(FileLock.acquire(data_dir / "lock"))
        except FileLockHeld as error:
            raise DataDirectoryInUse(
                f"the data directory {data_dir} is in use by the process with ID {error.holder}: stop that service, "
                "or give this one another directory (--data-dir or QACONV_DATA_DIR)"
            ) from None

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()
