import logging
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.storage.disk_reserve import DiskReserve


@pytest.fixture
def small_files() -> Iterator[None]:
    """A limit on the size of files, as a disk would set it: what exceeds it is cut short, then fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


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


@pytest.mark.usefixtures("small_files")
def test_less_space_is_reported_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reserve = DiskReserve(tmp_path / "reserve", 5000)
    with caplog.at_level(logging.WARNING):
        reserve.hold()
    assert (tmp_path / "reserve").stat().st_size == 1000
    assert "no space to keep back 5000 bytes" in caplog.text
