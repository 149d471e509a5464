"""Backups of a data directory that nobody writes to: made, verified, damaged, restored, interrupted."""

import asyncio
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import lmdb
import pytest

from service.storage.backup import backup_creation
from service.storage.backup.backup_creation import create_backup
from service.storage.backup.backup_manifest import BackupError, read_manifest
from service.storage.backup.backup_restoration import restore_backup
from service.storage.backup.backup_verification import verify_backup
from service.storage.backup.erasure_entries import UnreadableErasures
from service.storage.backup.record_inspection import inspect_records
from service.storage.damaged_database import DamagedDatabase
from service.storage.data_directory_lock import DataDirectoryInUse
from service.storage.detection_store import DetectionStore, RestoreInterrupted
from tests.service.storage.data_file import change_value, flip_in_file, place_in_file
from tests.service.storage.first_format import OLD_CROP, OLD_FEATURE_MAP, OLD_METADATA
from tests.service.storage.test_damaged_file import NAMES, assert_sound, record, sound

__all__ = ["sound"]  # a fixture


def content_of(data_dir: Path) -> list[str]:
    """The IDs of a data directory, each record of which is sound; nothing in it is damaged."""
    store = DetectionStore.open(data_dir)
    damaged: dict[str, str] = {}
    found = list(store.iterate_records(damaged.__setitem__))
    store.close()
    assert damaged == {}
    for each in found:
        assert_sound(each)
    return [each.metadata.detection_id for each in found]


def put(data_dir: Path, *names: str, created_at_us: int | None = None) -> None:
    async def write() -> None:
        store = DetectionStore.open(data_dir)
        for name in names:
            new = record(name)
            if created_at_us is not None:
                new = replace(new, metadata=replace(new.metadata, created_at_us=created_at_us))
            await store.put(new)
        store.close()

    asyncio.run(write())


def erase(data_dir: Path, *names: str) -> None:
    async def write() -> None:
        store = DetectionStore.open(data_dir)
        await store.delete(names)
        store.close()

    asyncio.run(write())


def test_what_is_backed_up_is_restored(sound: Path, tmp_path: Path) -> None:
    before_us = time.time_ns() // 1000
    created = create_backup(sound, tmp_path / "snapshot")
    manifest = created.manifest
    assert created.damaged == {}
    assert (manifest.records, manifest.set_aside) == (8, 0)
    assert [(model.fingerprint, model.records) for model in manifest.models] == [("f" * 64, 8)]
    assert before_us <= manifest.created_at.timestamp() * 1e6 <= time.time_ns() // 1000
    assert read_manifest(tmp_path / "snapshot") == manifest
    (file,) = manifest.files
    data = (tmp_path / "snapshot" / "records" / "data.mdb").read_bytes()
    assert (file.path, file.bytes, file.sha256) == ("records/data.mdb", len(data), sha256(data).hexdigest())
    assert manifest.bytes == len(data)

    verification = verify_backup(tmp_path / "snapshot")
    assert verification.faults == ()
    assert verification.inspection is not None
    assert verification.inspection.records == 8

    restored = restore_backup(tmp_path / "snapshot", tmp_path / "new" / "data")
    assert (restored.records, restored.set_aside, restored.erased) == (8, 0, ())
    assert content_of(tmp_path / "new" / "data") == NAMES
    put(tmp_path / "new" / "data", "d9")


def test_a_backup_is_private(sound: Path, tmp_path: Path) -> None:
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    (data_dir / "audit").mkdir()
    (data_dir / "audit" / "2026-11-20.jsonl").write_text('{"event":"started"}\n')
    create_backup(data_dir, tmp_path / "snapshot")
    restore_backup(tmp_path / "snapshot", tmp_path / "restored")
    for folder in (tmp_path / "snapshot", tmp_path / "restored"):
        for path in (folder, *folder.rglob("*")):
            expected = 0o700 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == expected, path
    assert sorted(path.name for path in (tmp_path / "restored").iterdir()) == ["audit", "lock", "records"]


def test_the_manifest_is_checked_by_the_tools_of_the_system(sound: Path, tmp_path: Path) -> None:
    create_backup(sound, tmp_path / "snapshot")
    subprocess.run(["sha256sum", "-c", "manifest.sha256"], cwd=tmp_path / "snapshot", check=True, capture_output=True)


def test_the_audit_is_copied_up_to_its_last_whole_line(sound: Path, tmp_path: Path) -> None:
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    (data_dir / "audit").mkdir()
    (data_dir / "audit" / "2026-11-19.jsonl").write_text('{"event":"started"}\n{"event":"stopped"}\n')
    (data_dir / "audit" / "2026-11-20.jsonl").write_text('{"event":"started"}\n{"event":"sea')
    (data_dir / "audit" / "2026-11-21.jsonl").write_text('{"event"')
    create_backup(data_dir, tmp_path / "snapshot")
    assert verify_backup(tmp_path / "snapshot").faults == ()
    restore_backup(tmp_path / "snapshot", tmp_path / "restored")
    copied = {path.name: path.read_text() for path in (tmp_path / "restored" / "audit").iterdir()}
    assert copied == {
        "2026-11-19.jsonl": '{"event":"started"}\n{"event":"stopped"}\n',
        "2026-11-20.jsonl": '{"event":"started"}\n',
        "2026-11-21.jsonl": "",
    }


def test_a_damaged_record_is_set_aside_in_the_backup(sound: Path, tmp_path: Path) -> None:
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    flip_in_file(data_dir, place_in_file(data_dir, record("d3").crop) + 17)
    flip_in_file(data_dir, place_in_file(data_dir, record("d5").crop) - 6, 0x06)  # pages that LMDB refuses to read
    change_value(data_dir, "metadata", "d6", None)
    created = create_backup(data_dir, tmp_path / "snapshot")
    assert sorted(created.damaged) == ["d3", "d5", "d6"]
    assert (created.manifest.records, created.manifest.set_aside) == (5, 3)
    verification = verify_backup(tmp_path / "snapshot")
    assert verification.faults == ()
    assert verification.inspection is not None
    assert [each.detection_id for each in verification.inspection.set_aside] == ["d3", "d5", "d6"]
    restored = restore_backup(tmp_path / "snapshot", tmp_path / "restored")
    assert (restored.records, restored.set_aside) == (5, 3)
    assert content_of(tmp_path / "restored") == ["d0", "d1", "d2", "d4", "d7"]


def test_records_of_the_first_format_and_other_databases_go_along(sound: Path, tmp_path: Path) -> None:
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    for database, value in (("metadata", OLD_METADATA), ("feature_maps", OLD_FEATURE_MAP), ("crops", OLD_CROP)):
        change_value(data_dir, database, "old:1", value)
    change_value(data_dir, "another", "d0", b"what another part of the service keeps")
    create_backup(data_dir, tmp_path / "snapshot")
    restore_backup(tmp_path / "snapshot", tmp_path / "restored")
    with lmdb.open(str(tmp_path / "restored" / "records"), max_dbs=16) as environment, environment.begin() as reading:
        assert reading.get(b"d0", db=environment.open_db(b"another", reading)) == (
            b"what another part of the service keeps"
        )
        assert reading.get(b"old:1", db=environment.open_db(b"metadata", reading)) == OLD_METADATA


def test_what_was_erased_leaves_no_bytes_in_a_backup(sound: Path, tmp_path: Path) -> None:
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    erase(data_dir, "d3")
    assert record("d3").crop in (data_dir / "records" / "data.mdb").read_bytes()
    create_backup(data_dir, tmp_path / "snapshot")
    data = (tmp_path / "snapshot" / "records" / "data.mdb").read_bytes()
    assert record("d3").crop not in data
    assert record("d4").crop in data


# Times of the erasures: after and before 10:00, when these records were made.
MADE_US = 1_795_168_800_000_000


def test_what_was_erased_since_is_not_brought_back(sound: Path, tmp_path: Path) -> None:
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    put(data_dir, "d1", "d2", "d3", "d4", created_at_us=MADE_US)
    (data_dir / "audit").mkdir()
    own = {"event": "erased", "time": "2026-11-20T10:30:00Z", "detection_ids": ["d4"]}
    (data_dir / "audit" / "2026-11-20.jsonl").write_text(json.dumps(own) + "\n")
    create_backup(data_dir, tmp_path / "snapshot")
    lines = [
        {"event": "erased", "time": "2026-11-20T09:59:59.999999Z", "detection_ids": ["d1"]},  # and ingested anew
        {"event": "erased", "time": "2026-11-20T10:00:00.000001Z", "detection_ids": ["d2", "gone"]},
        {"event": "retention", "time": "2026-11-20T11:00:00Z", "detection_ids": ["d3"]},
        {"event": "search", "time": "2026-11-20T11:00:00Z", "detection_ids": ["d0"]},
    ]
    audit_dir = tmp_path / "audit-of-now"
    audit_dir.mkdir()
    (audit_dir / "2026-11-21.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    restored = restore_backup(tmp_path / "snapshot", tmp_path / "restored", audit_dir)
    assert restored.erased == ("d2", "d3", "d4")
    store = DetectionStore.open(tmp_path / "restored")
    assert [each.detection_id for each in store.iterate_metadata()] == ["d0", "d1", "d5", "d6", "d7"]
    store.close()
    data = (tmp_path / "restored" / "records" / "data.mdb").read_bytes()
    assert [name for name in NAMES if record(name).crop in data] == ["d0", "d1", "d5", "d6", "d7"]
    with pytest.raises(UnreadableErasures):
        restore_backup(tmp_path / "snapshot", tmp_path / "other", tmp_path / "nothing")
    assert not (tmp_path / "other").exists()


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


@pytest.mark.parametrize("steps", [5, 30, 60, 150, 250, 330, 345])
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


@pytest.mark.parametrize("steps", [60, 150, 250, 330, 345])
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


def test_a_directory_of_the_first_format_that_is_only_read(tmp_path: Path) -> None:
    """Verified and backed up before any service of this version ran on it."""
    records_dir = tmp_path / "data" / "records"
    records_dir.mkdir(parents=True)
    parts = {b"metadata": OLD_METADATA, b"feature_maps": OLD_FEATURE_MAP, b"crops": OLD_CROP}
    with lmdb.open(str(records_dir), max_dbs=8, map_size=2**24) as environment:
        for name, value in parts.items():
            database = environment.open_db(name)
            with environment.begin(write=True) as writing:
                writing.put(b"old:1", value, db=database)
    assert inspect_records(records_dir, is_shared=True).models == {"f" * 64: 1}
    created = create_backup(tmp_path / "data", tmp_path / "snapshot")
    assert (created.manifest.records, created.damaged) == (1, {})
    assert restore_backup(tmp_path / "snapshot", tmp_path / "restored").records == 1
    assert inspect_records(records_dir, is_shared=False).records == 1


def test_what_else_is_kept_stays_whatever_ids_were_erased(sound: Path, tmp_path: Path) -> None:
    """A detection may have the name of another part's entry; a map made anew goes with its detection."""
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    put(data_dir, "d2", created_at_us=MADE_US)
    with lmdb.open(str(data_dir / "records"), max_dbs=16, map_size=2**30) as environment:
        gallery, maps = environment.open_db(b"gallery"), environment.open_db(b"reindexed_maps")
        with environment.begin(write=True) as writing:
            writing.put(b"d2", b"f" * 64, db=gallery)
            for name in (b"d2", b"d1"):
                writing.put(name, b"a map of " + name, db=maps)
    (data_dir / "audit").mkdir()
    line = {"event": "erased", "time": "2026-11-20T10:30:00Z", "detection_ids": ["d2"]}
    (data_dir / "audit" / "1.jsonl").write_text(json.dumps(line) + "\n")
    create_backup(data_dir, tmp_path / "snapshot")
    assert restore_backup(tmp_path / "snapshot", tmp_path / "restored").erased == ("d2",)
    with lmdb.open(str(tmp_path / "restored" / "records"), max_dbs=16) as environment:
        gallery, maps = environment.open_db(b"gallery"), environment.open_db(b"reindexed_maps")
        with environment.begin() as reading:
            assert reading.get(b"d2", db=gallery) == b"f" * 64
            assert list(reading.cursor(maps)) == [(b"d1", b"a map of d1")]
