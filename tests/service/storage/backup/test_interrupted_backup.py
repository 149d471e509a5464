"""Backups and restores that a full disk or a kill ends: nothing of them is taken for whole."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.storage.backup.backup_creation import create_backup
from service.storage.backup.backup_manifest import BackupError
from service.storage.backup.backup_restoration import restore_backup
from service.storage.backup.backup_verification import verify_backup
from service.storage.detection_store import DetectionStore, RestoreInterrupted
from tests.service.storage.backup.backed_up_records import content_of
from tests.service.storage.test_damaged_file import NAMES, sound

__all__ = ["sound"]  # a fixture
# What the disk refuses in the middle: with files limited to 60 kB, the copy's first pages can be written, and no more.
LIMITED = """
import resource, sys
from pathlib import Path
from service.storage.backup.backup_creation import create_backup
from service.storage.backup.backup_manifest import BackupError
from service.storage.backup.backup_restoration import restore_backup

resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    {call}(Path(sys.argv[1]), Path(sys.argv[2]))
except BackupError as error:
    print(error)
"""


@pytest.mark.parametrize("call", ["create_backup", "restore_backup"])
def test_a_disk_that_takes_no_more_leaves_nothing_behind(sound: Path, tmp_path: Path, call: str) -> None:
    source = sound
    if call == "restore_backup":
        source = tmp_path / "snapshot"
        create_backup(sound, source)
    command = [sys.executable, "-c", LIMITED.format(call=call), str(source), str(tmp_path / "target")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "the records cannot be written to" in ended.stdout
    left = [path.name for path in tmp_path.rglob("target*/*")] + [path.name for path in tmp_path.glob("target.*")]
    assert left in ([], ["lock"])


def test_a_full_disk_is_told_before_anything_is_written(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_backup(sound, tmp_path / "snapshot")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(BackupError, match=r"the backup takes up to [\d,]{9} bytes and the disk of .* has 1,000 free"):
        create_backup(sound, tmp_path / "other")
    with pytest.raises(BackupError, match=r"what is restored takes up to [\d,]{9} bytes .* has 1,000 free"):
        restore_backup(tmp_path / "snapshot", tmp_path / "data")
    assert not (tmp_path / "other.incomplete").exists()


# Stops itself at the n-th record, as kill -9 does, at every stage of a copy.
KILLED = """
import os, signal, sys
from pathlib import Path
from service.storage.backup import record_copy
from service.storage.backup.backup_creation import create_backup
from service.storage.backup.backup_restoration import restore_backup

steps = int(sys.argv[3])
def count(frame, event, argument):
    global steps
    if event == "call" and "/service/storage/" in frame.f_code.co_filename:
        steps -= 1
        if steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(count)
{call}(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def run_killed(call: str, source: Path, target: Path, steps: int) -> bool:
    """Whether it was killed before its end."""
    command = [sys.executable, "-c", KILLED.format(call=call), str(source), str(target), str(steps)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode != 0


@pytest.mark.parametrize("steps", [5, 30, 60, 150, 250, 280, 300])
def test_a_killed_backup_is_none_and_the_next_one_is_whole(sound: Path, tmp_path: Path, steps: int) -> None:
    was_killed = run_killed("create_backup", sound, tmp_path / "snapshot", steps)
    if (tmp_path / "snapshot").exists():
        assert verify_backup(tmp_path / "snapshot").faults == ()
        return
    assert was_killed
    with pytest.raises(BackupError):
        verify_backup(tmp_path / "snapshot")
    create_backup(sound, tmp_path / "snapshot")
    assert verify_backup(tmp_path / "snapshot").faults == ()
    assert not (tmp_path / "snapshot.incomplete").exists()


@pytest.mark.parametrize("steps", [60, 150, 250, 280, 300])
def test_a_killed_restore_is_not_taken_for_whole(sound: Path, tmp_path: Path, steps: int) -> None:
    create_backup(sound, tmp_path / "snapshot")
    run_killed("restore_backup", tmp_path / "snapshot", tmp_path / "data", steps)
    if (tmp_path / "data" / "records").exists() and not (tmp_path / "data" / "restoring").exists():
        assert content_of(tmp_path / "data") == NAMES
        return
    if (tmp_path / "data" / "restoring").exists():
        with pytest.raises(RestoreInterrupted, match="did not come to its end"):
            DetectionStore.open(tmp_path / "data")
    if not (tmp_path / "data" / "records").exists():
        restore_backup(tmp_path / "snapshot", tmp_path / "data")
        assert content_of(tmp_path / "data") == NAMES
