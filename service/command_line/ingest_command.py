"""`qaconv-service ingest`: sends a folder or a CSV of crops to a running service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.command_line.batch_upload import upload
from service.command_line.command_error import FAILED
from service.command_line.detection_source import read_detections
from service.command_line.ingest_report import problem_lines, summary_json, summary_line
from service.command_line.service_client import DEFAULT_URL, CaFileOption, KeyFileOption, UrlOption, open_client


def ingest_command(
    source: Annotated[Path, typer.Argument(metavar="FOLDER-or-CSV", help="Crops and what is known of them.")],
    url: UrlOption = DEFAULT_URL,
    api_key_file: KeyFileOption = None,
    ca_file: CaFileOption = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print a summary as JSON, and nothing else.")] = False,
) -> None:
    """Send crops to a running service. Sending the same ones again is harmless.

    A CSV has the columns file (relative to it), camera_id and timestamp (RFC 3339 or Unix seconds; or
    timestamp_seconds), and if wanted track_id, person_id and detection_id. A folder holds such a detections.csv, or
    files named as those of Market-1501 are: 0002_c1s1_000451_03.jpg.
    """
    detections = read_detections(source)
    messages = Console(stderr=True, quiet=json_output, highlight=False)
    began = monotonic()
    with open_client(url, api_key_file, ca_file) as client, _progress_bar(messages, len(detections)) as advance:
        outcomes = upload(client, detections, advance)
    seconds = monotonic() - began
    if json_output:
        typer.echo(summary_json(outcomes, seconds))
    else:
        for line in problem_lines(outcomes):
            typer.echo(line, err=True)
        typer.echo(summary_line(outcomes, seconds))
    if not all(outcome.is_stored for outcome in outcomes):
        raise typer.Exit(FAILED)


@contextmanager
def _progress_bar(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("ingesting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("ingesting", total=total)
        yield lambda count: progress.advance(task, count)
