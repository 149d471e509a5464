"""`qaconv-service get`: what a running service knows of a detection, and its crop or feature map as a file."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import httpx
import typer

from service.command_line.command_error import CommandError
from service.command_line.service_answers import DetectionAnswer
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


def get_command(
    detection_id: Annotated[str, typer.Argument(metavar="DETECTION_ID", help="Which detection.")],
    *,
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the crop there, as it was sent.")] = None,
    feature_map: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the feature map there, as a .npy file.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    api_key_file: KeyFileOption = None,
    ca_file: CaFileOption = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the service's answer as it is.")] = False,
) -> None:
    """Show what is known of a stored detection. Needs a key with the scope read."""
    path = f"/v1/detections/{quote(detection_id, safe='')}"
    with open_client(url, api_key_file, ca_file) as client:
        response = client.get(path)
        answer = read_answer(response, DetectionAnswer)
        for part, target in (("image", image), ("feature_map", feature_map)):
            if target is not None:
                _write(client.get(f"{path}/{part}"), target)
    if json_output:
        typer.echo(response.text)
        return
    for name, value in answer.members():
        typer.echo(f"{name + ':':20}{value}")


def _write(response: httpx.Response, target: Path) -> None:
    if not response.is_success:
        raise refusal(read_problem(response))
    try:
        target.write_bytes(response.content)
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror or error}") from error
