"""What the commands say, and their exit statuses. What they do is tested with the storage."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.main import application
from service.storage.backup.backup_manifest import BackupError
from tests.service.storage.data_file import flip_in_file, place_in_file
from tests.service.storage.test_damaged_file import record, sound

__all__ = ["sound"]  # a fixture


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit status, standard output and standard error; what a command raises instead is raised."""
    result = CliRunner().invoke(application, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_create_verify_restore(sound: Path, tmp_path: Path) -> None:
    status, said, _ = run("backup", "create", tmp_path / "snapshot", "--data-dir", sound)
    assert status == 0
    assert said.startswith(f"{tmp_path / 'snapshot'}: 8 records, 0 set aside, ")
    assert run("backup", "verify", tmp_path / "snapshot") == (0, "8 records are sound, 0 damaged, 0 set aside\n", "")
    status, said, warned = run("backup", "restore", tmp_path / "snapshot", "--data-dir", tmp_path / "new")
    assert (status, said) == (
        0,
        "restored 8 records, 0 set aside; left out 0 that were erased after the backup\n",
    )
    assert "no --erased-since was given" in warned
    assert run("verify", "--data-dir", tmp_path / "new")[:2] == (0, "8 records are sound, 0 damaged, 0 set aside\n")


def test_damage_is_named_on_standard_error(sound: Path, tmp_path: Path) -> None:
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    flip_in_file(data_dir, place_in_file(data_dir, record("d3").crop) + 17)
    status, _, said = run("backup", "create", tmp_path / "snapshot", "--data-dir", data_dir)
    assert status == 0
    assert said == (
        "damaged, and set aside in the backup: 'd3': the crop's SHA-256 is not the one that was written with it\n"
    )
    status, listed, _ = run("backup", "verify", tmp_path / "snapshot")
    assert status == 0
    assert listed.startswith("set aside: 'd3' since 20")
    flip_in_file(tmp_path / "snapshot", place_in_file(tmp_path / "snapshot", record("d4").crop) + 1)
    status, _, said = run("backup", "verify", tmp_path / "snapshot")
    assert status == 1
    assert "records/data.mdb is not as it was written" in said
    assert "the record of detection 'd4' is damaged" in said


def test_a_refusal_is_lines_and_status_1(sound: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "service.main", "backup", "create", str(tmp_path), "--data-dir", str(sound)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == f"qaconv-service: {tmp_path} is there already: give the backup another name\n"


def test_the_help_of_restore_says_why_erasures_count() -> None:
    status, said, _ = run("backup", "restore", "--help")
    assert status == 0
    words = " ".join(said.replace("│", " ").split())
    assert "must not come back with a restore" in words
    assert "--erased-since" in words


def test_a_backup_error_keeps_its_lines() -> None:
    assert BackupError("a", "b").lines == ("a", "b")


def test_a_data_directory_without_records(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="there are no records"):
        run("verify", "--data-dir", tmp_path)
