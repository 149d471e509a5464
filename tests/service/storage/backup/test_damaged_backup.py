"""Backups that are not as they were made are not restored, and nothing is written over."""

import os
import re
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from service.storage.backup import backup_creation
from service.storage.backup.backup_creation import create_backup
from service.storage.backup.backup_manifest import BackupError
from service.storage.backup.backup_restoration import restore_backup
from service.storage.damaged_database import DamagedDatabase
from service.storage.data_directory_lock import DataDirectoryInUse
from service.storage.detection_store import DetectionStore
from tests.service.storage.data_file import flip_in_file, place_in_file
from tests.service.storage.test_damaged_file import record, sound

__all__ = ["sound"]  # a fixture


def damage_value(snapshot: Path) -> None:
    flip_in_file(snapshot, place_in_file(snapshot, record("d3").crop) + 17)


def cut(snapshot: Path) -> None:
    with (snapshot / "records" / "data.mdb").open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) // 2)


def remove(snapshot: Path) -> None:
    (snapshot / "records" / "data.mdb").unlink()


def change_manifest(snapshot: Path) -> None:
    path = snapshot / "manifest.json"
    path.write_text(path.read_text().replace('"records": 8', '"records": 9'))


def rewrite_manifest(snapshot: Path, before: str, after: str) -> None:
    text = (snapshot / "manifest.json").read_text()
    assert before in text
    changed = text.replace(before, after).encode()
    (snapshot / "manifest.json").write_bytes(changed)
    (snapshot / "manifest.sha256").write_text(f"{sha256(changed).hexdigest()}  manifest.json\n")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_value, ["data.mdb is not as it was written: its SHA-256 is", "detection 'd3' is damaged"]),
        (cut, ["data.mdb has "]),
        (remove, ["records/data.mdb is missing"]),
        (change_manifest, ["manifest.json is not as it was written"]),
        (lambda snapshot: (snapshot / "manifest.sha256").unlink(), ["no whole backup.*manifest.sha256"]),
        (lambda snapshot: (snapshot / "manifest.json").unlink(), ["no whole backup.*manifest.json"]),
        (lambda snapshot: rewrite_manifest(snapshot, '"records": 8', '"records": 9'), ["8 readable records, not 9"]),
        (lambda snapshot: rewrite_manifest(snapshot, "ffff", "eeee"), ["not of the models"]),
        (lambda snapshot: rewrite_manifest(snapshot, '"version": 1', '"version": 2'), ["no manifest that.*version"]),
        (lambda snapshot: rewrite_manifest(snapshot, "records/data.mdb", "../data/lock"), ["no manifest that.*path"]),
        (lambda snapshot: (snapshot / "notes").write_text("x"), ["notes does not belong to the backup"]),
    ],
)
def test_a_damaged_backup_says_what_is_wrong_and_is_not_restored(
    sound: Path, tmp_path: Path, damage: object, said: list[str]
) -> None:
    create_backup(sound, tmp_path / "snapshot")
    assert callable(damage)
    damage(tmp_path / "snapshot")
    with pytest.raises(BackupError) as refused:
        restore_backup(tmp_path / "snapshot", tmp_path / "restored")
    text = "\n".join(refused.value.lines)
    for part in said:
        assert re.search(part, text), text
    assert not (tmp_path / "restored").exists()


def test_a_directory_that_holds_anything_is_refused(sound: Path, tmp_path: Path) -> None:
    create_backup(sound, tmp_path / "snapshot")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("mine")
    with pytest.raises(BackupError, match="is not empty: it holds letter"):
        restore_backup(tmp_path / "snapshot", tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["letter"]
    with pytest.raises(BackupError, match="is not empty: it holds records"):
        restore_backup(tmp_path / "snapshot", sound)
    store = DetectionStore.open(tmp_path / "used")
    with pytest.raises(DataDirectoryInUse):
        restore_backup(tmp_path / "snapshot", tmp_path / "used")
    store.close()
    with pytest.raises(BackupError, match="is there already"):
        create_backup(sound, tmp_path / "snapshot")
    with pytest.raises(BackupError, match="is not there: make it first"):
        create_backup(sound, tmp_path / "nowhere" / "snapshot")
    with pytest.raises(FileNotFoundError, match="there are no records"):
        create_backup(tmp_path / "empty", tmp_path / "other")
    assert not (tmp_path / "empty").exists()


def test_two_backups_do_not_write_to_the_same_place(sound: Path, tmp_path: Path) -> None:
    with (
        backup_creation._incomplete(tmp_path / "snapshot"),
        pytest.raises(BackupError, match=r"another backup to .* is being made"),
    ):
        create_backup(sound, tmp_path / "snapshot")


def test_a_database_that_is_none_is_refused(sound: Path, tmp_path: Path) -> None:
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    (data_dir / "records" / "data.mdb").write_bytes(b"text" * 5000)
    with pytest.raises(DamagedDatabase, match="MDB_INVALID"):
        create_backup(data_dir, tmp_path / "snapshot")
    assert not list(tmp_path.glob("snapshot*"))
