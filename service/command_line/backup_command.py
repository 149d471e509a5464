"""`qaconv-service backup create|verify|restore`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from service.command_line.command_error import FAILED, CommandError
from service.command_line.data_directory import DataDirOption, data_directory
from service.command_line.verify_command import inspection_lines
from service.storage.backup.backup_creation import create_backup
from service.storage.backup.backup_manifest import BackupError
from service.storage.backup.backup_restoration import restore_backup
from service.storage.backup.backup_verification import verify_backup
from service.storage.backup.erasure_entries import UnreadableErasures
from service.storage.damaged_database import DamagedDatabase
from service.storage.data_directory_lock import DataDirectoryInUse

SnapshotArgument = Annotated[Path, typer.Argument(metavar="SNAPSHOT_DIR", help="The folder of the backup.")]

backup_commands = typer.Typer(
    name="backup", help="Make, verify and restore backups of a data directory.", no_args_is_help=True
)


@backup_commands.command("create")
def create_command(snapshot: SnapshotArgument, data_dir: DataDirOption = None) -> None:
    """Make a backup while the service runs and writes go on: each record as it was at one moment, with checksums.

    SNAPSHOT_DIR is made and must not be there. Until the backup is whole it is SNAPSHOT_DIR.incomplete. A damaged
    record is named and set aside in the backup, which is good all the same. While the backup is made, the service's
    file grows by what is written meanwhile, because space that it frees cannot be used again yet. The backup holds
    pictures of people: guard it as you do the data directory, and keep it no longer than you keep them.
    """
    began = monotonic()
    with _faults_as_lines():
        created = create_backup(data_directory(data_dir), snapshot)
    for detection_id, reason in created.damaged.items():
        typer.echo(f"damaged, and set aside in the backup: {detection_id!r}: {reason}", err=True)
    manifest = created.manifest
    typer.echo(
        f"{snapshot}: {manifest.records:,} records, {manifest.set_aside:,} set aside, {manifest.bytes:,} bytes, "
        f"{monotonic() - began:.1f} s"
    )


@backup_commands.command("verify")
def verify_backup_command(snapshot: SnapshotArgument) -> None:
    """Hold every file of a backup against its checksum, and read every record.

    Exit status 0: the backup is as it was made. 1: it is not, and what is wrong is said.
    """
    with _faults_as_lines():
        verification = verify_backup(snapshot)
    for fault in verification.faults:
        typer.echo(fault, err=True)
    if verification.inspection is not None:
        for line in inspection_lines(verification.inspection):
            typer.echo(line)
    if verification.faults:
        raise typer.Exit(FAILED)


@backup_commands.command("restore")
def restore_command(
    snapshot: SnapshotArgument,
    data_dir: DataDirOption = None,
    erased_since: Annotated[
        Path | None,
        typer.Option(
            metavar="AUDIT_DIR",
            help="The audit record as it is now (the folder audit of the data directory in use). A backup still holds "
            "what people have had erased since it was made; whatever this record says was erased is left out.",
        ),
    ] = None,
) -> None:
    """Verify a backup and restore it into an empty data directory, which a service can then be started on.

    Give --erased-since whenever there is an audit record newer than the backup: who was promised that their pictures
    are gone must not come back with a restore. What the backup's own audit record says was erased is always left out.
    """
    with _faults_as_lines():
        restored = restore_backup(snapshot, data_directory(data_dir), erased_since)
    typer.echo(
        f"restored {restored.records:,} records, {restored.set_aside:,} set aside; left out {len(restored.erased):,} "
        "that were erased after the backup"
    )
    if erased_since is None:
        typer.echo(
            "no --erased-since was given: what was erased after the backup is back, and has to be erased again",
            err=True,
        )


@contextmanager
def _faults_as_lines() -> Iterator[None]:
    try:
        yield
    except BackupError as error:
        raise CommandError(*error.lines) from error
    except (OSError, DamagedDatabase, DataDirectoryInUse, UnreadableErasures) as error:
        raise CommandError(str(error)) from error
