"""Makes a backup of a data directory while its service runs and writes go on.

What the service answered before the backup began is in it, and each record as it was at one moment. A backup is written
under another name and gets its own when it is whole and on the disk.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lmdb

from service.storage.backup.backup_manifest import (
    AUDIT,
    DATA_FILE,
    RECORDS,
    BackupError,
    BackupFile,
    BackupManifest,
    ModelRecords,
    moment,
    write_manifest,
)
from service.storage.backup.record_copy import CopiedRecords, copy_records, estimate_copy_bytes, open_for_reading
from service.storage.durable_files import (
    copy_file,
    file_sha256,
    make_private_directory,
    sync_path,
    whole_lines_bytes,
)

_INCOMPLETE = ".incomplete"
_JSON_LINES = ".jsonl"


@dataclass(frozen=True, slots=True)
class CreatedBackup:
    """A backup that is on the disk.

    Attributes:
        damaged: records that were found damaged, by ID, with the reason; they are set aside in the backup.
    """

    manifest: BackupManifest
    damaged: dict[str, str]


def create_backup(data_dir: Path, snapshot: Path) -> CreatedBackup:
    """Make a backup of a data directory.

    Args:
        data_dir: a service may run on it.
        snapshot: is made; the folder that it is to be in must be there.

    Raises:
        BackupError: it is there already, another backup is being made there, or there is no space.
        FileNotFoundError: the data directory holds no records.
        DamagedDatabase: the database is damaged as a whole.
        OSError: a file cannot be read or written.
    """
    if os.path.lexists(snapshot):
        raise BackupError(f"{snapshot} is there already: give the backup another name")
    if not snapshot.parent.is_dir():
        raise BackupError(f"the folder {snapshot.parent}, in which the backup is to be, is not there: make it first")
    with open_for_reading(data_dir / RECORDS, is_shared=True) as source:
        needed = estimate_copy_bytes(source) + sum(path.stat().st_size for path in _audit_files(data_dir))
        require_space(snapshot.parent, needed, "the backup")
        with _incomplete(snapshot) as incomplete:
            now_us = time.time_ns() // 1000
            copied = _copy(source, incomplete / RECORDS, now_us)
            # After the records: an erasure that they do not show yet is in the audit, and a restore heeds it.
            files = [_describe(incomplete / DATA_FILE), *_copy_audit(data_dir, incomplete)]
            manifest = _manifest_of(copied, files, now_us)
            write_manifest(incomplete, manifest)
            sync_path(incomplete)
            incomplete.rename(snapshot)
            sync_path(snapshot.parent)
    return CreatedBackup(manifest, copied.damaged)


def require_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Raises BackupError where a disk has less space than is needed."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise BackupError(
            f"{what} takes up to {needed_bytes:,} bytes and the disk of {folder} has {free:,} free: free "
            f"{needed_bytes - free:,} bytes, or choose another disk"
        )


@contextmanager
def _incomplete(snapshot: Path) -> Iterator[Path]:
    """The folder in which a backup is written: emptied of what a killed one left, and removed if this one fails."""
    incomplete = snapshot.with_name(snapshot.name + _INCOMPLETE)
    incomplete.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(incomplete, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(
                f"another backup to {snapshot} is being made: wait for it, or choose another name"
            ) from None
        empty_directory(incomplete)
        try:
            yield incomplete
        except BaseException:
            shutil.rmtree(incomplete, ignore_errors=True)
            raise
    finally:
        os.close(descriptor)


def empty_directory(directory: Path) -> None:
    """Remove what is in a directory."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _copy(source: lmdb.Environment, target_dir: Path, now_us: int) -> CopiedRecords:
    try:
        return copy_records(source, target_dir, now_us)
    except lmdb.Error as error:
        raise BackupError(f"the records cannot be written to {target_dir}: {error}") from error


def _audit_files(data_dir: Path) -> list[Path]:
    audit = data_dir / AUDIT
    return sorted(path for path in audit.iterdir() if path.is_file()) if audit.is_dir() else []


def _copy_audit(data_dir: Path, incomplete: Path) -> Iterator[BackupFile]:
    paths = _audit_files(data_dir)
    if not paths:
        return
    make_private_directory(incomplete / AUDIT)
    for path in paths:
        try:
            # The service may be in the middle of a line.
            num_bytes = whole_lines_bytes(path) if path.suffix == _JSON_LINES else path.stat().st_size
            digest = copy_file(path, incomplete / AUDIT / path.name, num_bytes)
        except FileNotFoundError:
            continue  # the service deletes what it need not keep longer
        yield BackupFile(path=f"{AUDIT}/{path.name}", bytes=num_bytes, sha256=digest)
    sync_path(incomplete / AUDIT)


def _describe(data_file: Path) -> BackupFile:
    return BackupFile(path=DATA_FILE, bytes=data_file.stat().st_size, sha256=file_sha256(data_file))


def _manifest_of(copied: CopiedRecords, files: list[BackupFile], now_us: int) -> BackupManifest:
    models = tuple(
        ModelRecords(fingerprint=fingerprint, records=records) for fingerprint, records in sorted(copied.models.items())
    )
    return BackupManifest(
        created_at=moment(now_us),
        records=copied.records,
        set_aside=copied.set_aside,
        bytes=sum(file.bytes for file in files),
        models=models,
        files=tuple(files),
    )
