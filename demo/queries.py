"""Asks the service who the query crops show, over HTTP."""

from dataclasses import dataclass
from datetime import datetime

import httpx
from pydantic import BaseModel, ConfigDict

from demo.demo_error import DemoError
from training.datasets.labelled_crop import LabelledCrop

# Enough that the tables show what the first match was preferred to.
NUM_MATCHES = 5
# K of temporal lifting, the paper's: of 3, 5, 10, 20, 30, 50, 100 and 200 the last two find most people first here.
NUM_PIVOTS = 100


class Match(BaseModel):
    """One ranked detection of an answer, as far as the demo shows it."""

    model_config = ConfigDict(frozen=True)

    rank: int
    detection_id: str
    camera_id: str
    timestamp: datetime
    person_id: str
    score: float
    appearance_score: float
    temporal_score: float | None


class _Answer(BaseModel):
    matches: list[Match]


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """A query with its two answers, best match first."""

    crop: LabelledCrop
    without_lifting: list[Match]
    with_lifting: list[Match]


def ask(client: httpx.Client, crop: LabelledCrop) -> AskedQuery:
    """Search for a crop's person in the other cameras, without temporal lifting and with it.

    In the crop's own camera the person was seen a second before, in the same light and from the same side: finding
    them there proves nothing. Among the matches each walk past a camera is shown by its best crop.

    Raises:
        DemoError: the service refused.
        httpx.TransportError: it does not answer.
    """
    return AskedQuery(crop, _search(client, crop, "off"), _search(client, crop, "on"))


def is_right(asked: AskedQuery, match: Match) -> bool:
    """Whether a match shows the person asked for."""
    return match.person_id == asked.crop.person_id


def count_right(asked: list[AskedQuery]) -> tuple[int, int]:
    """How many queries have the right person first: without lifting, with it."""
    without = sum(is_right(each, match) for each in asked for match in each.without_lifting[:1])
    return without, sum(is_right(each, match) for each in asked for match in each.with_lifting[:1])


def draw_correspondences(client: httpx.Client, asked: AskedQuery) -> bytes:
    """A PNG of the query and its best match side by side, with lines between the places that agree.

    Raises:
        DemoError: the service refused.
        httpx.TransportError: it does not answer.
    """
    stored = client.get(f"/v1/detections/{asked.with_lifting[0].detection_id}/image")
    images = {"query": ("query", asked.crop.read_image_bytes()), "gallery": ("gallery", _content(stored))}
    return _content(client.post("/v1/compare", files=images, headers={"Accept": "image/png"}))


def _search(client: httpx.Client, crop: LabelledCrop, temporal_lifting: str) -> list[Match]:
    fields = {
        "camera_id": crop.camera_id,
        "timestamp": f"{crop.timestamp_seconds:.6f}",
        "exclude_camera_ids": crop.camera_id,
        "temporal_lifting": temporal_lifting,
        "group_by": "track",
        "num_pivots": str(NUM_PIVOTS),
        "limit": str(NUM_MATCHES),
        "num_correspondences": "0",
    }
    response = client.post("/v1/search", data=fields, files={"image": ("query.jpg", crop.read_image_bytes())})
    return _Answer.model_validate_json(_content(response)).matches


def _content(response: httpx.Response) -> bytes:
    if not response.is_success:
        raise DemoError(f"{response.request.method} {response.url} answered {response.status_code}: {response.text}")
    return response.content
