"""`qaconv-service compare`: how alike two crops are, and where they agree."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.command_line.command_error import CommandError
from service.command_line.match_table import correspondence_table
from service.command_line.search_request import read_image
from service.command_line.service_answers import CompareAnswer
from service.command_line.service_client import (
    DEFAULT_URL,
    CaFileOption,
    KeyFileOption,
    UrlOption,
    open_client,
    read_answer,
    read_problem,
    refusal,
)


def compare_command(
    query: Annotated[Path, typer.Argument(metavar="IMAGE", help="One crop: JPEG, PNG or WebP.")],
    gallery: Annotated[Path, typer.Argument(metavar="OTHER-IMAGE", help="Another crop.")],
    *,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a PNG there: both crops, with lines where they agree.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    api_key_file: KeyFileOption = None,
    ca_file: CaFileOption = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the service's answer as it is.")] = False,
) -> None:
    """Compare two crops, which need not be stored. Needs a key with the scope search."""
    form = {name: (path.name, read_image(path)) for name, path in (("query", query), ("gallery", gallery))}
    with open_client(url, api_key_file, ca_file) as client:
        response = client.post("/v1/compare", files=form)
        answer = read_answer(response, CompareAnswer)
        if picture is not None:
            drawn = client.post("/v1/compare", files=form, headers={"Accept": "image/png"})
            if not drawn.is_success:
                raise refusal(read_problem(drawn))
            _write(picture, drawn.content)
    if json_output:
        typer.echo(response.text)
        return
    typer.echo(f"appearance score {answer.appearance_score:.4f} (logit {answer.logit:.2f})")
    if answer.correspondences:
        title = f"Where {query.name} and {gallery.name} agree"
        Console(highlight=False).print(correspondence_table(title, answer.correspondences))


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}") from error
