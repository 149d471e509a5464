"""Which detections `list` and `erase` mean. What each value may be is the service's to say."""

from typing import Annotated

import typer

CameraOption = Annotated[str | None, typer.Option(metavar="ID", help="Those of this camera.")]
TrackOption = Annotated[str | None, typer.Option(metavar="ID", help="Those of this track.")]
PersonOption = Annotated[str | None, typer.Option(metavar="ID", help="Those of this person.")]
TimeFromOption = Annotated[str | None, typer.Option(metavar="TIME", help="Those from this time on.")]
TimeToOption = Annotated[str | None, typer.Option(metavar="TIME", help="Those before this time.")]


def filter_fields(
    camera_id: str | None, track_id: str | None, person_id: str | None, time_from: str | None, time_to: str | None
) -> dict[str, str]:
    """The fields of a filter, by the contract's names; those that were not given are left out."""
    fields = {
        "camera_id": camera_id,
        "track_id": track_id,
        "person_id": person_id,
        "time_from": time_from,
        "time_to": time_to,
    }
    return {name: value for name, value in fields.items() if value is not None}
