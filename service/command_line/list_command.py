"""`qaconv-service list`: the detections of a running service, by camera, track, person and time."""

import sys
from collections.abc import Mapping
from typing import Annotated

import httpx
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from service.command_line.detection_filter import (
    CameraOption,
    PersonOption,
    TimeFromOption,
    TimeToOption,
    TrackOption,
    filter_fields,
)
from service.command_line.service_answers import DetectionAnswer, DetectionPage
from service.command_line.service_client import (
    DEFAULT_URL,
    CaFileOption,
    KeyFileOption,
    UrlOption,
    open_client,
    read_answer,
)

_PAGE = 1000
_PIPE_WIDTH = 400


def list_command(
    *,
    camera_id: CameraOption = None,
    track_id: TrackOption = None,
    person_id: PersonOption = None,
    time_from: TimeFromOption = None,
    time_to: TimeToOption = None,
    limit: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="Most detections.")] = 100,
    url: UrlOption = DEFAULT_URL,
    api_key_file: KeyFileOption = None,
    ca_file: CaFileOption = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each detection.")] = False,
) -> None:
    """List stored detections, ordered by time. Needs a key with the scope read."""
    fields = filter_fields(camera_id, track_id, person_id, time_from, time_to)
    with open_client(url, api_key_file, ca_file) as client:
        found, has_more = _list(client, fields, limit)
    if json_output:
        for each in found:
            typer.echo(each.model_dump_json())
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
        console.print(_table(found))
    if has_more:
        typer.echo(f"there are more than {limit}: --limit shows more", err=True)


def _list(client: httpx.Client, fields: Mapping[str, str], limit: int) -> tuple[list[DetectionAnswer], bool]:
    """At most `limit` detections, page by page, and whether there are more."""
    found: list[DetectionAnswer] = []
    cursor: str | None = None
    while True:
        paging = {"limit": str(min(_PAGE, limit - len(found)))} | ({} if cursor is None else {"cursor": cursor})
        page = read_answer(client.get("/v1/detections", params={**fields, **paging}), DetectionPage)
        found += page.detections
        cursor = page.next_cursor
        if cursor is None or len(found) >= limit:
            return found, cursor is not None


def _table(detections: list[DetectionAnswer]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("detection", "camera", "time", "track", "person"):
        table.add_column(name, overflow="fold")
    for each in detections:
        table.add_row(each.detection_id, each.camera_id, each.timestamp, each.track_id or "–", each.person_id or "–")
    return table
