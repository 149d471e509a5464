"""`qaconv-service audit`: checks the audit record and prints it."""

from pathlib import Path
from typing import Annotated

import typer

from service.api.moments import parse_moment
from service.command_line.audit_lines import AuditSelection, describe_entry
from service.command_line.command_error import USAGE, CommandError
from service.rfc_3339 import format_moment
from service.storage.audit.audit_entry import AuditHead
from service.storage.audit.audit_reading import iterate_entries
from service.storage.audit.audit_segments import audit_directory
from service.storage.audit.audit_verification import Verification, verify_record

audit_application = typer.Typer(
    name="audit", help="Check or print the record of who searched for what.", no_args_is_help=True
)

_DataDir = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER", envvar="QACONV_DATA_DIR", help="The service's, or a copy of it. A running service may use it."
    ),
]
_DEFAULT_DATA_DIR = Path("qaconv-data")
_SHOWN_FAULTS = 100


@audit_application.command("verify")
def verify_command(
    data_dir: _DataDir = _DEFAULT_DATA_DIR,
    head: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SEQUENCE:HASH",
            help="A head that was noted earlier, from this command or the service's log: it must still be part of the "
            "record. Repeatable.",
        ),
    ] = None,
) -> None:
    """Check that the record is as it was written, and print its head.

    Every entry holds the hash of the one before: one that was changed, removed, moved or put in shows. What a chain by
    itself cannot show is an end that was cut off, or a record that was written anew as a whole. Therefore note the head
    that this prints (or that the service logs every hour) where those who can write to the data directory cannot, and
    give it back later with --head. Exit status: 0 if all is well, 1 if not.
    """
    noted = [_read_head(text) for text in head or ()]
    directory = _existing(data_dir)
    try:
        found = verify_record(directory, noted)
    except OSError as error:
        raise CommandError(f"the audit record cannot be read: {error}") from error
    typer.echo(_summary(found, noted))
    if found.faults:
        shown = [f"  {fault}" for fault in found.faults[:_SHOWN_FAULTS]]
        more = len(found.faults) - len(shown)
        raise CommandError(
            f"the audit record in {directory} is not as it was written; faults found: {len(found.faults)}",
            *shown,
            *([f"  and {more} more"] if more else []),
        )


@audit_application.command("show")
def show_command(
    *,
    data_dir: _DataDir = _DEFAULT_DATA_DIR,
    event: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only these: search, compare, fetch, erased, keys_changed, … Repeatable."),
    ] = None,
    time_from: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="From this time on: RFC 3339 or Unix seconds.")
    ] = None,
    time_to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Before this time.")] = None,
    key_id: Annotated[str | None, typer.Option(metavar="ID", help="What was asked with this API key.")] = None,
    detection_id: Annotated[
        str | None, typer.Option(metavar="ID", help="What names this detection: searches for it, and that found it.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the entries as they are, one a line.")] = False,
) -> None:
    """Print entries of the record, oldest first. It is not checked: that is what verify does."""
    selection = AuditSelection(
        events=frozenset(event or ()),
        time_from=_read_moment("--from", time_from),
        time_to=_read_moment("--to", time_to),
        key_id=key_id,
        detection_id=detection_id,
    )
    directory = _existing(data_dir)
    try:
        for entry in iterate_entries(directory):
            if not selection.may_mean(entry):
                continue
            fields = entry.fields()
            if selection.means(fields):
                typer.echo(entry.line.decode("ascii", "replace") if json_output else describe_entry(fields))
    except OSError as error:
        raise CommandError(f"the audit record cannot be read: {error}") from error
    except ValueError as error:
        raise CommandError(f"an entry of the audit record is damaged ({error}): run qaconv-service audit verify") from (
            error
        )


def _summary(found: Verification, noted: list[AuditHead]) -> str:
    if not found.entries:
        return f"0 entries\nhead {found.head}"
    span = f"{found.entries} entries in {found.segments} segments, from {found.first_time} to {found.last_time}"
    held = f"\n{len(noted)} noted heads looked for" if noted else ""
    return f"{span}{held}\nhead {found.head}"


def _existing(data_dir: Path) -> Path:
    directory = audit_directory(data_dir)
    if not directory.is_dir():
        raise CommandError(
            f"there is no audit record in {data_dir} (no folder {directory}): give the service's data directory",
            exit_status=USAGE,
        )
    return directory


def _read_head(text: str) -> AuditHead:
    try:
        return AuditHead.parse(text)
    except ValueError as error:
        raise CommandError(f"--head {error}", exit_status=USAGE) from error


def _read_moment(flag: str, text: str | None) -> str | None:
    """As entries write it, so that times compare as text."""
    if text is None:
        return None
    try:
        return format_moment(parse_moment(text))
    except ValueError as error:
        raise CommandError(f"{flag}: {error}", exit_status=USAGE) from error
