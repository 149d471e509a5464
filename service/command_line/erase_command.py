"""`qaconv-service erase`: one detection, or all that a filter means, with the receipt."""

import time
from typing import Annotated
from urllib.parse import quote

import httpx
import typer

from service.command_line.command_error import USAGE, CommandError
from service.command_line.detection_filter import (
    CameraOption,
    PersonOption,
    TimeFromOption,
    TimeToOption,
    TrackOption,
    filter_fields,
)
from service.command_line.service_answers import EraseAnswer, ErasureAnswer
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

_SECONDS_BETWEEN_LOOKS = 1.0


def erase_command(
    detection_id: Annotated[str | None, typer.Argument(metavar="[DETECTION_ID]", help="One detection.")] = None,
    *,
    camera_id: CameraOption = None,
    track_id: TrackOption = None,
    person_id: PersonOption = None,
    time_from: TimeFromOption = None,
    time_to: TimeToOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until no byte of it is left in the data file.")] = False,
    url: UrlOption = DEFAULT_URL,
    api_key_file: KeyFileOption = None,
    ca_file: CaFileOption = None,
) -> None:
    """Erase a detection, or all that a filter means. It cannot be undone. Needs a key with the scope admin."""
    fields = filter_fields(camera_id, track_id, person_id, time_from, time_to)
    if (detection_id is None) == (not fields):
        raise CommandError("give one thing to erase: either a DETECTION_ID or a filter", exit_status=USAGE)
    meant = detection_id or "all detections with " + ", ".join(f"{name} {value}" for name, value in fields.items())
    if not yes and not typer.confirm(f"Erase {meant}? It cannot be undone", default=False):
        raise CommandError("nothing was erased")
    with open_client(url, api_key_file, ca_file) as client:
        if detection_id is not None:
            receipt_id = _erase_one(client, detection_id)
        else:
            answer = read_answer(client.post("/v1/detections:erase", json=fields), EraseAnswer)
            receipt_id = answer.receipt_id
            typer.echo(f"{answer.erased} detections erased")
        receipt = _receipt(client, receipt_id)
        while wait and receipt.state != "complete":
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            receipt = _receipt(client, receipt_id)
    typer.echo(f"receipt {receipt_id}: {receipt.state}")


def _erase_one(client: httpx.Client, detection_id: str) -> str:
    response = client.delete(f"/v1/detections/{quote(detection_id, safe='')}")
    if not response.is_success:
        raise refusal(read_problem(response))
    typer.echo(f"{detection_id} erased")
    return str(response.headers["Erasure-Receipt"])


def _receipt(client: httpx.Client, receipt_id: str) -> ErasureAnswer:
    return read_answer(client.get(f"/v1/erasures/{receipt_id}"), ErasureAnswer)
