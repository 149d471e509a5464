import subprocess
import sys
from pathlib import Path

from service.storage.disk_reserve import DiskReserve

# In a process of its own: the limit would hold for whatever file this one's output goes to, too.
_HOLD_WITH_SMALL_FILES = """
import logging, resource, signal, sys
from pathlib import Path
from service.storage.disk_reserve import DiskReserve
logging.basicConfig(level=logging.WARNING)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
DiskReserve(Path(sys.argv[1]), 5000).hold()
"""


def test_space_is_held_once_and_given_up(tmp_path: Path) -> None:
    path = tmp_path / "reserve"
    reserve = DiskReserve(path, 5000)
    reserve.hold()
    before = path.read_bytes()
    reserve.hold()
    assert path.read_bytes() == before
    assert len(before) == 5000
    reserve.release()
    reserve.release()
    assert not path.exists()


def test_less_space_is_reported_and_no_error(tmp_path: Path) -> None:
    """A limit on the size of files acts as a full disk does: what exceeds it is cut short, then fails."""
    path = tmp_path / "reserve"
    command = [sys.executable, "-c", _HOLD_WITH_SMALL_FILES, path]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    assert path.stat().st_size == 1000
    assert "no space to keep back 5000 bytes" in ended.stderr
