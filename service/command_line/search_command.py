"""`qaconv-service search`: asks a running service who a crop shows."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.command_line.match_table import correspondence_table, match_table, search_line
from service.command_line.search_request import search_form
from service.command_line.service_answers import SearchAnswer
from service.command_line.service_client import (
    DEFAULT_URL,
    CaFileOption,
    KeyFileOption,
    UrlOption,
    open_client,
    read_answer,
)

# Values stay text here: the service is the one place that knows what each may be, and its answer says so.
_Text = str | None
_PIPE_WIDTH = 400
_TIME = "RFC 3339 or Unix seconds"


def search_command(
    image: Annotated[Path | None, typer.Argument(metavar="IMAGE", help="The query crop: JPEG, PNG or WebP.")] = None,
    *,
    detection_id: Annotated[_Text, typer.Option(metavar="ID", help="A stored detection as query, no IMAGE.")] = None,
    camera_id: Annotated[_Text, typer.Option(metavar="ID", help="The camera that saw the query.")] = None,
    timestamp: Annotated[_Text, typer.Option(metavar="TIME", help=f"When it saw it: {_TIME}.")] = None,
    limit: Annotated[_Text, typer.Option(metavar="NUMBER", help="Most matches (default 10).")] = None,
    group_by: Annotated[_Text, typer.Option(metavar="LABEL", help="detection (default), track or person.")] = None,
    camera_ids: Annotated[list[str] | None, typer.Option(metavar="ID", help="Search this camera; repeatable.")] = None,
    exclude_camera_ids: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Leave this camera out; repeatable.")
    ] = None,
    time_from: Annotated[_Text, typer.Option(metavar="TIME", help="Search detections from this time on.")] = None,
    time_to: Annotated[_Text, typer.Option(metavar="TIME", help="Search detections before this time.")] = None,
    min_score: Annotated[_Text, typer.Option(metavar="SCORE", help="Drop matches with a lower score.")] = None,
    temporal_lifting: Annotated[
        _Text, typer.Option(metavar="WHEN", help="auto (default), on, off, or bootstrap: the best match stands in.")
    ] = None,
    tau_seconds: Annotated[_Text, typer.Option(metavar="SECONDS", help="The paper's τ (default 100).")] = None,
    sigma_seconds: Annotated[_Text, typer.Option(metavar="SECONDS", help="The paper's σ (default 100).")] = None,
    num_pivots: Annotated[_Text, typer.Option(metavar="NUMBER", help="The paper's K (default 100).")] = None,
    alpha: Annotated[_Text, typer.Option(metavar="NUMBER", help="The paper's α (default 0.1).")] = None,
    rerank: Annotated[bool, typer.Option("--rerank", help="Re-rank the best candidates, before lifting.")] = False,
    correspondences: Annotated[
        _Text, typer.Option(metavar="NUMBER", help="Show where the best match agrees, at most so many places.")
    ] = None,
    min_similarity: Annotated[
        _Text, typer.Option(metavar="COSINE", help="Places at least so similar (default 0.5).")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    api_key_file: KeyFileOption = None,
    ca_file: CaFileOption = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the service's answer as it is.")] = False,
) -> None:
    """Search the gallery for the person on a crop, and print the ranked matches."""
    form = search_form(
        image,
        detection_id,
        {
            "camera_id": camera_id,
            "timestamp": timestamp,
            "limit": limit,
            "group_by": group_by,
            "camera_ids": camera_ids,
            "exclude_camera_ids": exclude_camera_ids,
            "time_from": time_from,
            "time_to": time_to,
            "min_score": min_score,
            "temporal_lifting": temporal_lifting,
            "tau_seconds": tau_seconds,
            "sigma_seconds": sigma_seconds,
            "num_pivots": num_pivots,
            "alpha": alpha,
            "rerank": "true" if rerank else None,
            "num_correspondences": correspondences,
            "min_similarity": min_similarity,
        },
    )
    with open_client(url, api_key_file, ca_file) as client:
        response = client.post("/v1/search", files=form)
    answer = read_answer(response, SearchAnswer)
    if json_output:
        typer.echo(response.text)
    else:
        _print_tables(answer, has_correspondences=correspondences is not None)


def _print_tables(answer: SearchAnswer, *, has_correspondences: bool) -> None:
    # Whoever reads this through a pipe gets whole lines.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    console.print(search_line(answer))
    for warning in answer.warnings:
        typer.echo(f"qaconv-service: {warning.detail}", err=True)
    console.print(match_table(answer))
    if has_correspondences and answer.matches:
        best = answer.matches[0]
        console.print(correspondence_table(f"Correspondences with {best.detection_id}", best.correspondences))
