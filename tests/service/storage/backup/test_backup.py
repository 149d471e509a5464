"""Backups of a data directory that nobody writes to: made, verified, restored."""

import json
import shutil
import stat
import subprocess
import time
from hashlib import sha256
from pathlib import Path

import lmdb
import pytest

from service.storage.backup.backup_creation import create_backup
from service.storage.backup.backup_manifest import read_manifest
from service.storage.backup.backup_restoration import restore_backup
from service.storage.backup.backup_verification import verify_backup
from service.storage.backup.erasure_entries import UnreadableErasures
from service.storage.backup.record_inspection import inspect_records
from service.storage.detection_store import DetectionStore
from tests.service.storage.backup.backed_up_records import MADE_US, content_of, erase, put
from tests.service.storage.data_file import change_value, flip_in_file, place_in_file
from tests.service.storage.first_format import OLD_CROP, OLD_FEATURE_MAP, OLD_METADATA
from tests.service.storage.test_damaged_file import NAMES, record, sound

__all__ = ["sound"]  # a fixture


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
