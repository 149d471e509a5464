"""What a backup says of itself: what it holds, and the SHA-256 of each of its files.

SNAPSHOT_DIR/manifest.json      this
SNAPSHOT_DIR/manifest.sha256    its own checksum, as `sha256sum -c` reads it
SNAPSHOT_DIR/records/data.mdb   the records
SNAPSHOT_DIR/audit/*            the audit record, where there is one
"""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.storage.durable_files import write_file

MANIFEST = "manifest.json"
MANIFEST_CHECKSUM = "manifest.sha256"
RECORDS = "records"
AUDIT = "audit"
DATA_FILE = f"{RECORDS}/data.mdb"


class BackupError(RuntimeError):
    """A backup cannot be made, is not whole, or cannot be restored; each line says a thing that is wrong.

    Args:
        lines: whole sentences.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


class BackupFile(BaseModel):
    """A file of a backup; its path is relative to the backup, with slashes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: str = Field(pattern=r"^(records/data\.mdb|audit/[^/\x00]+)$")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ModelRecords(BaseModel):
    """How many records are of a model."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    fingerprint: str
    records: int = Field(ge=1)


class BackupManifest(BaseModel):
    """What a backup holds.

    Attributes:
        created_at: the moment of which it is, RFC 3339: writes that were answered before are in it.
        records: readable ones.
        set_aside: damaged ones, which are kept and not served.
        bytes: of all files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["qaconv-backup"] = "qaconv-backup"
    version: Literal[1] = 1
    created_at: datetime
    records: int = Field(ge=0, strict=True)
    set_aside: int = Field(ge=0, strict=True)
    bytes: int = Field(ge=0, strict=True)
    models: tuple[ModelRecords, ...]
    files: tuple[BackupFile, ...]


def moment(time_us: int) -> datetime:
    """Microseconds since the Unix epoch as a time in UTC."""
    seconds, microseconds = divmod(time_us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)


def write_manifest(snapshot: Path, manifest: BackupManifest) -> None:
    """Write the manifest and its checksum, and wait for the disk."""
    content = manifest.model_dump_json(indent=2).encode() + b"\n"
    write_file(snapshot / MANIFEST, content)
    write_file(snapshot / MANIFEST_CHECKSUM, f"{sha256(content).hexdigest()}  {MANIFEST}\n".encode())


def read_manifest(snapshot: Path) -> BackupManifest:
    """The manifest of a backup.

    Raises:
        BackupError: there is none, or it is not as it was written.
    """
    try:
        content = (snapshot / MANIFEST).read_bytes()
        expected = (snapshot / MANIFEST_CHECKSUM).read_bytes()
    except OSError as error:
        raise BackupError(f"{snapshot} is no whole backup: {error.strerror}: {error.filename}") from error
    found = sha256(content).hexdigest()
    if expected != f"{found}  {MANIFEST}\n".encode():
        raise BackupError(
            f"{snapshot / MANIFEST} is not as it was written: its SHA-256 is {found}, which is not what "
            f"{MANIFEST_CHECKSUM} says"
        )
    try:
        return BackupManifest.model_validate_json(content)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise BackupError(f"{snapshot / MANIFEST} is no manifest that this program reads: {faults}") from error
