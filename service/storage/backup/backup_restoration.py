"""Restores a backup into an empty data directory, without what was erased since the backup was made.

All is written to a folder `restoring` in the data directory, and moved to its place when it is whole; a service does
not start in a data directory that holds that folder. What a killed restore left there, the next one removes.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lmdb

from service.records import DetectionMetadata
from service.storage.backup.backup_creation import empty_directory, require_space
from service.storage.backup.backup_manifest import AUDIT, RECORDS, BackupError, BackupManifest
from service.storage.backup.backup_verification import verify_backup
from service.storage.backup.erasure_entries import RecordedErasures, read_erasures
from service.storage.backup.record_copy import CopiedRecords, copy_records, open_for_reading
from service.storage.data_directory_lock import DataDirectoryLock
from service.storage.detection_store import RESTORING
from service.storage.durable_directory import make_directory
from service.storage.durable_files import copy_file, make_private_directory, sync_path

_MAY_BE_THERE = {"lock", RESTORING}


@dataclass(frozen=True, slots=True)
class RestoredBackup:
    """What a data directory holds now.

    Attributes:
        records: readable ones.
        erased: detections of the backup that were not restored, because they were erased after it was made.
    """

    records: int
    set_aside: int
    erased: tuple[str, ...]


def restore_backup(snapshot: Path, data_dir: Path, erased_since: Path | None = None) -> RestoredBackup:
    """Verify a backup and restore it.

    Args:
        snapshot: the backup.
        data_dir: empty, or is made.
        erased_since: an audit record, newer than the backup's own; what it says was erased is not restored, unless it
            was ingested anew after that and before the backup. The backup's own audit record always counts.

    Raises:
        BackupError: the backup is damaged, the directory holds something, or there is no space. Nothing is restored.
        UnreadableErasures: an audit record cannot be read.
        DataDirectoryInUse: a service runs on the directory.
        OSError: a file cannot be read or written.
    """
    if data_dir.exists() and not (data_dir / "lock").exists():
        _require_empty(data_dir)  # before a lock is left in a folder that has nothing to do with us
    verification = verify_backup(snapshot)
    if verification.faults:
        raise BackupError(f"{snapshot} is damaged and was not restored", *verification.faults)
    erasures = _Erasures.read(snapshot, erased_since, _microseconds(verification.manifest.created_at))
    make_directory(data_dir)
    lock = DataDirectoryLock.acquire(data_dir)
    try:
        _require_empty(data_dir)
        require_space(data_dir, verification.manifest.bytes + 4 * 2**20, "what is restored")
        with _restoring(data_dir) as restoring:
            copied = _copy(snapshot, restoring / RECORDS, erasures)
            _copy_audit(snapshot, restoring, verification.manifest)
        _move_to_its_place(restoring, data_dir)
    finally:
        lock.release()
    return RestoredBackup(copied.records, copied.set_aside, tuple(sorted(copied.left_out)))


@dataclass(frozen=True, slots=True)
class _Erasures:
    records: tuple[RecordedErasures, ...]

    @classmethod
    def read(cls, snapshot: Path, erased_since: Path | None, backup_us: int) -> "_Erasures":
        records: list[RecordedErasures] = []
        for directory in (snapshot / AUDIT, erased_since):
            if directory is None or (directory == snapshot / AUDIT and not directory.exists()):
                continue
            records.append(read_erasures(directory, backup_us))
        return cls(tuple(records))

    def mean(self, detection_id: str, metadata: DetectionMetadata | None) -> bool:
        """Whether a detection was erased after it was ingested; of unknown age, one that ever was erased."""
        for record in self.records:
            time_us = record.times_us.get(detection_id)
            if time_us is not None and (metadata is None or metadata.created_at_us < time_us):
                return True
            if metadata is not None and any(each.matches(metadata) for each in record.unfinished):
                return True
        return False


def _microseconds(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _require_empty(data_dir: Path) -> None:
    there = sorted(path.name for path in data_dir.iterdir() if path.name not in _MAY_BE_THERE)
    if there:
        raise BackupError(
            f"the data directory {data_dir} is not empty: it holds {', '.join(there[:5])}. Restore into an empty one; "
            "nothing is overwritten"
        )


@contextmanager
def _restoring(data_dir: Path) -> Iterator[Path]:
    restoring = data_dir / RESTORING
    restoring.mkdir(mode=0o700, exist_ok=True)
    empty_directory(restoring)
    sync_path(data_dir)  # a service must see it before anything else is there
    try:
        yield restoring
    except BaseException:
        shutil.rmtree(restoring, ignore_errors=True)
        raise


def _copy(snapshot: Path, target_dir: Path, erasures: _Erasures) -> CopiedRecords:
    with open_for_reading(snapshot / RECORDS, is_shared=False) as source:
        try:
            copied = copy_records(source, target_dir, time.time_ns() // 1000, erasures.mean)
        except lmdb.Error as error:
            raise BackupError(f"the records cannot be written to {target_dir}: {error}") from error
    if copied.damaged:
        raise BackupError(f"{snapshot} was damaged while it was restored: {', '.join(map(repr, copied.damaged))}")
    return copied


def _copy_audit(snapshot: Path, restoring: Path, manifest: BackupManifest) -> None:
    files = [file for file in manifest.files if file.path.startswith(f"{AUDIT}/")]
    if not files:
        return
    make_private_directory(restoring / AUDIT)
    for file in files:
        if copy_file(snapshot / file.path, restoring / file.path, file.bytes) != file.sha256:
            raise BackupError(f"{snapshot / file.path} was changed while it was restored")
    sync_path(restoring / AUDIT)


def _move_to_its_place(restoring: Path, data_dir: Path) -> None:
    """The folder `restoring` goes last: until then, no service starts here."""
    for path in sorted(restoring.iterdir()):
        path.rename(data_dir / path.name)
    sync_path(data_dir)
    restoring.rmdir()
    sync_path(data_dir)
