"""A data directory on exFAT, which keeps neither modes nor sockets: said at the start, and everything works."""

import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.records import DetectionRecord
from service.storage import embedded_redis
from service.storage.detection_store import DetectionStore
from service.storage.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.anyio

NEEDED = ("mkfs.exfat", "mount.exfat-fuse", "losetup", "umount")


@pytest.fixture
def exfat(tmp_path: Path) -> Iterator[Path]:
    """A new exFAT file system in which everybody may read."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"mounting exFAT takes root, exfat-fuse and exfatprogs: {', '.join(missing) or 'not root'}")
    image, directory = tmp_path / "exfat.img", tmp_path / "exfat"
    directory.mkdir()
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    subprocess.run(["mkfs.exfat", image], check=True, capture_output=True)
    attached = subprocess.run(["losetup", "-f", "--show", image], check=False, capture_output=True, text=True)
    if attached.returncode:
        pytest.skip(f"there is no loop device: {attached.stderr.strip()}")
    device = attached.stdout.strip()
    try:
        mounted = subprocess.run(["mount.exfat-fuse", "-o", "umask=022", device, directory], check=False)
        if mounted.returncode:
            pytest.skip("exFAT cannot be mounted here")
        yield directory
        subprocess.run(["umount", directory], check=True)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


async def test_records_are_kept_and_a_warning_says_who_may_read_them(
    exfat: Path, make_record: Callable[..., DetectionRecord], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    store = DetectionStore.open(exfat / "data", 2**24)
    await store.put(make_record("a"))
    store.close()
    store = DetectionStore.open(exfat / "data", 2**24)
    assert store.get_crop("a") == make_record("a").crop
    store.close()
    assert sum("other users of this machine may read the pictures" in line for line in caplog.messages) == 2


def test_the_embedded_redis_has_its_socket_elsewhere(exfat: Path) -> None:
    server = EmbeddedRedis.start(exfat)
    try:
        assert server.is_running
        assert not server.url.startswith(f"unix://{exfat}")
    finally:
        server.stop()


def test_on_a_usual_file_system_there_is_no_warning(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    DetectionStore.open(data_dir, 2**24).close()
    assert caplog.messages == []


def test_where_a_folder_takes_no_sockets_another_is_tried(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    takes_sockets = embedded_redis._takes_sockets
    monkeypatch.setattr(
        embedded_redis, "_takes_sockets", lambda path: data_dir not in path.parents and takes_sockets(path)
    )
    server = EmbeddedRedis.start(data_dir)
    try:
        assert not server.url.startswith(f"unix://{data_dir}")
    finally:
        server.stop()
    monkeypatch.setattr(embedded_redis, "_takes_sockets", lambda _: False)
    with pytest.raises(embedded_redis.EmbeddedRedisError, match="file system that takes sockets"):
        EmbeddedRedis.start(data_dir)
