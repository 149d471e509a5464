"""`qaconv-service keys`: makes, lists, revokes and replaces API keys. A running service takes them up by itself."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from service.access.api_key import ApiKey, KeyDescription, create_key
from service.access.key_file import (
    ADMIN_IS_NOT_LIMITED,
    CameraId,
    KeyFileError,
    KeyName,
    edit_key_file,
    read_key_file,
)
from service.access.scope import Scope
from service.command_line.command_error import USAGE, CommandError

keys_application = typer.Typer(help="Make, list, revoke and replace API keys.", no_args_is_help=True)

FileOption = Annotated[
    Path,
    typer.Option("--file", envvar="QACONV_API_KEYS_FILE", metavar="FILE", help="The key file.", show_default=False),
]
KeyIdArgument = Annotated[str, typer.Argument(metavar="KEY_ID", help="As `keys list` shows it; not the key itself.")]
_PIPE_WIDTH = 200


@keys_application.command("create")
def create_command(
    *,
    file: FileOption,
    name: Annotated[str, typer.Option(metavar="NAME", help="Whose it is; it stands in logs and the audit record.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; repeatable. None implies another.")],
    requests_per_minute: Annotated[
        int | None,
        typer.Option(min=1, metavar="NUMBER", help="How often it may ask; without it, as often as it likes."),
    ] = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(metavar="CAMERA_ID", help="Only this camera's detections; repeatable. Without it, all cameras."),
    ] = None,
    expires_in_days: Annotated[
        float | None, typer.Option(min=0.0, metavar="DAYS", help="How long it is good; without it, until revoked.")
    ] = None,
) -> None:
    """Make a key and print it. It is shown this once: the file keeps a hash of it."""
    now = _now()
    if camera and Scope.ADMIN in scope:
        raise CommandError(f"--camera with --scope admin: {ADMIN_IS_NOT_LIMITED}", exit_status=USAGE)
    text, key = create_key(
        _check(KeyName, "--name", name),
        frozenset(scope),
        now,
        requests_per_minute=requests_per_minute,
        expires_at=None if expires_in_days is None else _later(now, expires_in_days * 24),
        camera_ids=frozenset(_check(CameraId, "--camera", each) for each in camera) if camera else None,
    )
    with _told_as_command_errors(), edit_key_file(file, may_be_new=True) as edited:
        edited.keys.append(key)
    limit = f" of {', '.join(sorted(set(camera)))}" if camera else ""
    _say(
        f"made the key {key.description.key_id} ({name}), good for {', '.join(sorted(scope))}{limit}; it is shown this "
        "once:"
    )
    typer.echo(text)


@keys_application.command("list")
def list_command(
    *,
    file: FileOption,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Show the keys, without what would let anyone in."""
    with _told_as_command_errors():
        keys = [key.description for key in read_key_file(file).keys]
    if json_output:
        typer.echo(json.dumps([_describe(key) for key in keys], indent=2))
        return
    table = Table("Key ID", "Name", "Scopes", "Cameras", "Requests a minute", "Made", "Expires")
    for key in keys:
        table.add_row(*_row(key, _now()))
    Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table)


@keys_application.command("revoke")
def revoke_command(key_id: KeyIdArgument, *, file: FileOption) -> None:
    """Take a key away. A running service refuses it a second or two later."""
    with _told_as_command_errors(), edit_key_file(file) as edited:
        key = _find(edited.keys, key_id, file)
        edited.keys.remove(key)
    _say(f"revoked the key {key_id} ({key.description.name})")


@keys_application.command("rotate")
def rotate_command(
    key_id: KeyIdArgument,
    *,
    file: FileOption,
    overlap_hours: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="HOURS", help="When the old key expires; without it, when it is revoked."),
    ] = None,
) -> None:
    """Make a key with the name, scopes, cameras, rate and lifetime of another, and print it. The old one stays good."""
    now = _now()
    with _told_as_command_errors(), edit_key_file(file) as edited:
        old = _find(edited.keys, key_id, file)
        text, new = _replacement(old.description, now)
        edited.keys.append(new)
        if overlap_hours is not None:
            edited.keys[edited.keys.index(old)] = _expiring(old, _later(now, overlap_hours))
    until = "until it is revoked" if overlap_hours is None else f"for {overlap_hours:g} hours"
    _say(
        f"made the key {new.description.key_id} in place of {key_id}, which stays good {until}; it is shown this once:"
    )
    typer.echo(text)


def _replacement(old: KeyDescription, now: datetime) -> tuple[str, ApiKey]:
    return create_key(
        old.name,
        old.scopes,
        now,
        requests_per_minute=old.requests_per_minute,
        camera_ids=old.camera_ids,
        expires_at=None
        if old.expires_at is None
        else _later(now, (old.expires_at - old.created_at) / timedelta(hours=1)),
    )


def _expiring(key: ApiKey, at: datetime) -> ApiKey:
    """The key with this time as its end, where it had none that is earlier."""
    before = key.description.expires_at
    return replace(key, description=replace(key.description, expires_at=at if before is None else min(before, at)))


def _find(keys: list[ApiKey], key_id: str, file: Path) -> ApiKey:
    for key in keys:
        if key.description.key_id == key_id:
            return key
    # What was typed may be a key itself, and is not quoted.
    raise CommandError(
        f"{file} has no key with this ID: `qaconv-service keys list` shows those it has", exit_status=USAGE
    )


def _check(kind: Any, option: str, value: str) -> str:  # noqa: ANN401 (an annotated type)
    try:
        return TypeAdapter[str](kind).validate_python(value)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise CommandError(f"{option} is {value!r}: {message}", exit_status=USAGE) from error


def _later(now: datetime, hours: float) -> datetime:
    try:
        return now + timedelta(hours=hours)
    except (OverflowError, ValueError) as error:
        raise CommandError(f"{hours:g} hours from now is no time before the year 10000", exit_status=USAGE) from error


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@contextmanager
def _told_as_command_errors() -> Iterator[None]:
    try:
        yield
    except KeyFileError as error:
        raise CommandError(str(error)) from error


def _describe(key: KeyDescription) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "camera_ids": None if key.camera_ids is None else sorted(key.camera_ids),
        "requests_per_minute": key.requests_per_minute,
        "created_at": _format(key.created_at),
        "expires_at": None if key.expires_at is None else _format(key.expires_at),
    }


def _row(key: KeyDescription, now: datetime) -> tuple[str, ...]:
    expires = "never" if key.expires_at is None else _format(key.expires_at)
    return (
        key.key_id,
        key.name,
        ", ".join(sorted(key.scopes)),
        "all" if key.camera_ids is None else ", ".join(sorted(key.camera_ids)),
        "any number" if key.requests_per_minute is None else str(key.requests_per_minute),
        _format(key.created_at),
        f"{expires} (over)" if key.is_expired(now) else expires,
    )


def _format(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _say(message: str) -> None:
    """On standard error: standard output has the key alone, so that it can go into a file."""
    typer.echo(f"qaconv-service: {message}", err=True)
