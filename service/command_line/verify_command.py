"""`qaconv-service verify`: reads every record of a data directory and names the damaged ones."""

import typer

from service.command_line.command_error import FAILED, CommandError
from service.command_line.data_directory import DataDirOption, data_directory
from service.storage.backup.backup_manifest import RECORDS, moment
from service.storage.backup.record_inspection import Inspection, inspect_records
from service.storage.damaged_database import DamagedDatabase


def verify_command(data_dir: DataDirOption = None) -> None:
    """Read every record of a data directory, also while its service runs, and name the damaged ones.

    A damaged record is never served: the service sets it aside when it finds it, and answers 404. Send that crop again
    with PUT, or erase it with DELETE, and it is named no more. Exit status 0: all are sound. 1: some are damaged or set
    aside.
    """
    try:
        inspection = inspect_records(data_directory(data_dir) / RECORDS, is_shared=True)
    except (OSError, DamagedDatabase) as error:
        raise CommandError(str(error)) from error
    for line in inspection_lines(inspection):
        typer.echo(line)
    if inspection.damaged or inspection.set_aside:
        raise typer.Exit(FAILED)


def inspection_lines(inspection: Inspection) -> list[str]:
    """What was found, a line for each damaged record, and one for the rest."""
    lines = [f"damaged: {detection_id!r}: {reason}" for detection_id, reason in inspection.damaged.items()]
    lines += [
        f"set aside: {each.detection_id!r} since {moment(each.set_aside_at_us):%Y-%m-%dT%H:%M:%SZ}: {each.reason}"
        for each in inspection.set_aside
    ]
    return [
        *lines,
        f"{inspection.records:,} records are sound, {len(inspection.damaged):,} damaged, "
        f"{len(inspection.set_aside):,} set aside",
    ]
