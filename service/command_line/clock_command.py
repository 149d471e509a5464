"""`qaconv-service clock`: what a running service's clock says, and that it is right."""

from typing import Annotated

import typer

from service.command_line.command_error import CommandError
from service.command_line.service_answers import ClockAnswer
from service.command_line.service_client import (
    DEFAULT_URL,
    CaFileOption,
    KeyFileOption,
    UrlOption,
    open_client,
    read_answer,
)

clock_application = typer.Typer(help="Show a service's clock, or confirm it after it has jumped.", no_args_is_help=True)


@clock_application.command("show")
def show_command(
    *, url: UrlOption = DEFAULT_URL, api_key_file: KeyFileOption = None, ca_file: CaFileOption = None
) -> None:
    """Say what time it is for the service, and whether that is believed. Needs a key with the scope admin."""
    with open_client(url, api_key_file, ca_file) as client:
        _print(read_answer(client.get("/v1/clock"), ClockAnswer))


@clock_application.command("confirm")
def confirm_command(
    *,
    time: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="What time it is now: RFC 3339 or Unix seconds. Without it you are asked."),
    ] = None,
    url: UrlOption = DEFAULT_URL,
    api_key_file: KeyFileOption = None,
    ca_file: CaFileOption = None,
) -> None:
    """Say that the service's clock is right. What is too old by it is erased from then on, and is not to be had back.

    Look at another clock than the service's machine's. Needs a key with the scope admin.
    """
    with open_client(url, api_key_file, ca_file) as client:
        if time is None:
            shown = read_answer(client.get("/v1/clock"), ClockAnswer)
            _print(shown)
            if not typer.confirm("Is this the time now? What is too old by it will be erased", default=False):
                raise CommandError("the clock was not confirmed: set it right on the machine that the service runs on")
            time = shown.time
        answer = read_answer(client.post("/v1/clock:confirm", json={"time": time}), ClockAnswer)
    typer.echo(f"the clock is believed from now on: {answer.time}")


def _print(clock: ClockAnswer) -> None:
    typer.echo(f"the service's clock says {clock.time}")
    typer.echo("it is believed" if clock.doubt is None else f"it is not believed: {clock.doubt}")
