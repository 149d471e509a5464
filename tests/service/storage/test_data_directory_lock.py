import subprocess
import sys
from pathlib import Path

import pytest

from service.storage.data_directory_lock import DataDirectoryInUse, DataDirectoryLock

HOLD = """
import sys, time
from pathlib import Path
from service.storage.data_directory_lock import DataDirectoryLock
lock = DataDirectoryLock.acquire(Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_told_who_has_the_directory(data_dir: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(data_dir)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(DataDirectoryInUse, match=rf"{data_dir} .*ID {holder.pid}.*--data-dir"):
            DataDirectoryLock.acquire(data_dir)
        holder.kill()
    DataDirectoryLock.acquire(data_dir).release()


def test_a_released_lock_can_be_taken_again(data_dir: Path) -> None:
    lock = DataDirectoryLock.acquire(data_dir)
    with pytest.raises(DataDirectoryInUse):
        DataDirectoryLock.acquire(data_dir)
    lock.release()
    lock.release()
    DataDirectoryLock.acquire(data_dir).release()
