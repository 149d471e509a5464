"""The program `qaconv-service`: runs the service, and speaks to a running one."""

import sys
from collections.abc import Sequence
from importlib import metadata
from io import TextIOWrapper
from typing import Annotated

import typer

from service.command_line.audit_command import audit_application
from service.command_line.backup_command import backup_commands
from service.command_line.clock_command import clock_application
from service.command_line.command_error import CommandError
from service.command_line.compare_command import compare_command
from service.command_line.erase_command import erase_command
from service.command_line.get_command import get_command
from service.command_line.ingest_command import ingest_command
from service.command_line.keys_command import keys_application
from service.command_line.list_command import list_command
from service.command_line.reindex_command import reindex_command
from service.command_line.reindex_report_command import reindex_report_command
from service.command_line.search_command import search_command
from service.command_line.serve_command import serve_command
from service.command_line.verify_command import verify_command

application = typer.Typer(
    name="qaconv-service",
    help="Finds a person again among camera crops, by query-adaptive convolution and temporal lifting.",
    invoke_without_command=True,
    no_args_is_help=True,
    add_completion=False,
    # A mistake of the user's ends in a CommandError; what is left is ours, and its whole traceback is of use.
    pretty_exceptions_enable=False,
)
application.command("serve")(serve_command)
application.command("ingest")(ingest_command)
application.command("search")(search_command)
application.command("get")(get_command)
application.command("list")(list_command)
application.command("compare")(compare_command)
application.command("erase")(erase_command)
application.add_typer(keys_application, name="keys")
application.command("verify")(verify_command)
application.add_typer(backup_commands)
application.command("reindex")(reindex_command)
application.command("reindex-report")(reindex_report_command)
application.add_typer(audit_application)
application.add_typer(clock_application, name="clock")


@application.callback()
def show_version(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version and exit.", show_default=False)
    ] = False,
) -> None:
    """Asked before any command."""
    if version:
        typer.echo(f"qaconv-service {metadata.version('qaconv')}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 failed, 2 asked for wrongly.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not know every character
    try:
        application(arguments, prog_name="qaconv-service")
    except CommandError as error:
        for line in error.lines:
            # Indented lines belong to the one above.
            typer.echo(line if line.startswith("  ") else f"qaconv-service: {line}", err=True)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
