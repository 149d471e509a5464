"""What clients do to a gallery in the trials, and what the dictionary then says is in it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO

import httpx
import numpy as np

from service.records import MICROSECONDS_PER_SECOND, DetectionFilter
from service.rfc_3339 import format_moment
from tests.trials.crop_pool import CROP_HEIGHT, CROP_WIDTH, CropPool

START_US = 1_790_000_000 * MICROSECONDS_PER_SECOND
EVERYTHING = {"time_from": "0"}


@dataclass(frozen=True, slots=True)
class Stored:
    """A detection as the dictionary knows it; `crop` is its number in the pool."""

    crop: int
    camera_id: str
    timestamp_us: int
    track_id: str | None
    person_id: str | None

    def fields(self) -> dict[str, str]:
        labels = {"track_id": self.track_id, "person_id": self.person_id}
        given = {name: value for name, value in labels.items() if value is not None}
        return {"camera_id": self.camera_id, "timestamp": seconds(self.timestamp_us), **given}


Contents = dict[str, Stored]


@dataclass(frozen=True, slots=True)
class Put:
    """Store or replace a detection."""

    detection_id: str
    stored: Stored

    def send(self, client: httpx.Client, pool: CropPool) -> httpx.Response:
        files = {"image": ("crop.jpg", pool.files[self.stored.crop], "image/jpeg")}
        return client.put(f"/v1/detections/{self.detection_id}", files=files, data=self.stored.fields())

    def apply(self, contents: Contents) -> None:
        contents[self.detection_id] = self.stored

    def expected_status(self, contents: Contents) -> int:
        return 200 if self.detection_id in contents else 201


@dataclass(frozen=True, slots=True)
class Delete:
    """Erase one detection."""

    detection_id: str

    def send(self, client: httpx.Client, _pool: CropPool) -> httpx.Response:
        return client.delete(f"/v1/detections/{self.detection_id}")

    def apply(self, contents: Contents) -> None:
        contents.pop(self.detection_id, None)

    def expected_status(self, contents: Contents) -> int:
        return 204 if self.detection_id in contents else 404


def send_batch(client: httpx.Client, pool: CropPool, puts: Sequence[Put]) -> httpx.Response:
    """All of them in one request."""
    manifest = [
        {"file": str(number), "detection_id": put.detection_id, **put.stored.fields()}
        for number, put in enumerate(puts)
    ]
    images = [
        ("images", (str(number), pool.files[put.stored.crop], "image/jpeg")) for number, put in enumerate(puts)
    ]  # fmt: skip
    return client.post("/v1/detections:batch", data={"manifest": json.dumps(manifest)}, files=images)


def seconds(timestamp_us: int) -> str:
    """Unix seconds, exactly."""
    return str(Decimal(timestamp_us) / MICROSECONDS_PER_SECOND)


def filter_fields(chosen: DetectionFilter) -> dict[str, str]:
    """A filter as clients send it."""
    values = {
        "camera_id": chosen.camera_id,
        "track_id": chosen.track_id,
        "person_id": chosen.person_id,
        "time_from": None if chosen.time_from_us is None else seconds(chosen.time_from_us),
        "time_to": None if chosen.time_to_us is None else seconds(chosen.time_to_us),
    }
    return {name: value for name, value in values.items() if value is not None}


def is_meant(chosen: DetectionFilter, stored: Stored) -> bool:
    return (
        chosen.camera_id in (None, stored.camera_id)
        and chosen.track_id in (None, stored.track_id)
        and chosen.person_id in (None, stored.person_id)
        and (chosen.time_from_us is None or chosen.time_from_us <= stored.timestamp_us)
        and (chosen.time_to_us is None or stored.timestamp_us < chosen.time_to_us)
    )


def in_listing_order(contents: Mapping[str, Stored]) -> list[str]:
    return sorted(contents, key=lambda detection_id: (contents[detection_id].timestamp_us, detection_id))


def answer_of(detection_id: str, stored: Stored, pool: CropPool) -> dict[str, object]:
    """What the service should say of a detection, but for `created_at`."""
    return {
        "detection_id": detection_id,
        "camera_id": stored.camera_id,
        "timestamp": format_moment(stored.timestamp_us),
        "track_id": stored.track_id,
        "person_id": stored.person_id,
        "image": {"width": CROP_WIDTH, "height": CROP_HEIGHT},
        "model_fingerprint": pool.fingerprint,
    }


def list_all(client: httpx.Client, fields: Mapping[str, str], limit: int = 1000) -> list[dict[str, object]]:
    """Every detection that a listing gives, page by page, without `created_at`."""
    listed: list[dict[str, object]] = []
    cursor: str | None = None
    while True:
        parameters = {**fields, "limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/detections", params=parameters).raise_for_status().json()
        listed += [{name: value for name, value in each.items() if name != "created_at"} for each in page["detections"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return listed


def check_contents(client: httpx.Client, pool: CropPool, contents: Contents) -> None:
    """Redis, disk and device hold exactly what the dictionary does, every record whole."""
    listed = list_all(client, {})
    assert listed == [answer_of(each, contents[each], pool) for each in in_listing_order(contents)]
    for detection_id, stored in contents.items():
        check_bytes(client, pool, detection_id, stored)
    gallery = client.get("/v1/gallery").raise_for_status().json()
    assert gallery["size"] == len(contents)
    cameras = [stored.camera_id for stored in contents.values()]
    counted = {each["camera_id"]: each["count"] for each in gallery["cameras"]}
    assert counted == {camera: cameras.count(camera) for camera in cameras}


def check_bytes(client: httpx.Client, pool: CropPool, detection_id: str, stored: Stored, tolerance: float = 0) -> None:
    """Crop and feature map on the disk are those of this detection."""
    path = f"/v1/detections/{detection_id}"
    assert client.get(f"{path}/image").raise_for_status().content == pool.files[stored.crop], detection_id
    feature_map = np.load(BytesIO(client.get(f"{path}/feature_map").raise_for_status().content))
    np.testing.assert_allclose(feature_map, pool.maps[stored.crop], rtol=0, atol=tolerance, err_msg=detection_id)
