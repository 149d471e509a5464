"""One reindex at a time in a data directory, and none while a service moves its records to another model."""

from pathlib import Path

from service.storage.file_lock import FileLock, FileLockHeld


class ReindexRunning(RuntimeError):  # noqa: N818 - a state that the operator is told of, like those of service.errors
    """Another process makes feature maps anew in this data directory, or moves its records to another model."""


def acquire_reindex_lock(data_dir: Path) -> FileLock:
    """Take the lock `data_dir/reindex.lock`.

    Raises:
        ReindexRunning: another process has it; the message names that process.
    """
    try:
        return FileLock.acquire(data_dir / "reindex.lock")
    except FileLockHeld as error:
        raise ReindexRunning(
            f"the process with ID {error.holder} makes the feature maps in {data_dir} anew, or switches them to "
            "another model: wait until it is done, or end it; what it has made is kept"
        ) from None
