"""Says whether a backup is as it was made: the checksum of each file, and every record read strictly."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.storage.backup.backup_manifest import (
    AUDIT,
    MANIFEST,
    MANIFEST_CHECKSUM,
    RECORDS,
    BackupFile,
    BackupManifest,
    read_manifest,
)
from service.storage.backup.record_inspection import Inspection, inspect_records
from service.storage.damaged_database import DamagedDatabase
from service.storage.durable_files import file_sha256


@dataclass(frozen=True, slots=True)
class BackupVerification:
    """What was found; the backup is good if there are no faults.

    Attributes:
        faults: whole sentences.
        inspection: of the records; None where they cannot be read at all.
    """

    manifest: BackupManifest
    faults: tuple[str, ...]
    inspection: Inspection | None


def verify_backup(snapshot: Path) -> BackupVerification:
    """Read all of a backup.

    Raises:
        BackupError: it has no sound manifest, so that there is nothing to hold it against.
        OSError: a file cannot be read.
    """
    manifest = read_manifest(snapshot)
    faults = [fault for file in manifest.files for fault in _file_faults(snapshot, file)]
    faults += _strangers(snapshot, manifest)
    inspection = None
    try:
        # Also where the file was changed: which records are damaged is worth knowing.
        inspection = inspect_records(snapshot / RECORDS, is_shared=False)
        faults += _record_faults(manifest, inspection)
    except (FileNotFoundError, DamagedDatabase) as error:
        faults.append(str(error))
    return BackupVerification(manifest, tuple(faults), inspection)


def _file_faults(snapshot: Path, file: BackupFile) -> Iterator[str]:
    path = snapshot / file.path
    if not path.is_file():
        yield f"{file.path} is missing"
    elif (size := path.stat().st_size) != file.bytes:
        yield f"{file.path} has {size:,} bytes, not {file.bytes:,}"
    elif (found := file_sha256(path)) != file.sha256:
        yield f"{file.path} is not as it was written: its SHA-256 is {found}, not {file.sha256}"


def _strangers(snapshot: Path, manifest: BackupManifest) -> list[str]:
    known = {MANIFEST, MANIFEST_CHECKSUM, RECORDS, AUDIT} | {file.path for file in manifest.files}
    found = (path.relative_to(snapshot).as_posix() for path in sorted(snapshot.rglob("*")))
    return [f"{path} does not belong to the backup" for path in found if path not in known]


def _record_faults(manifest: BackupManifest, inspection: Inspection) -> Iterator[str]:
    for detection_id, reason in inspection.damaged.items():
        yield f"the record of detection {detection_id!r} is damaged: {reason}"
    if inspection.records != manifest.records:
        yield f"there are {inspection.records:,} readable records, not {manifest.records:,}"
    if len(inspection.set_aside) != manifest.set_aside:
        yield f"there are {len(inspection.set_aside):,} records set aside, not {manifest.set_aside:,}"
    if inspection.models != {model.fingerprint: model.records for model in manifest.models}:
        yield "the records are not of the models that the manifest names"
