"""What a key that is limited to cameras can do over HTTP: nothing of another camera is taken from it or told to it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.access.scope import Scope
from service.settings import Settings
from tests.service.drawn_crops import crop_file
from tests.service.made_keys import add_key, bearer
from tests.service.running_application import RunningApplication, run_application

pytestmark = pytest.mark.anyio

CAMERAS = {"n1": "north", "n2": "north", "g1": "gate", "g2": "gate", "y1": "yard"}


@pytest.fixture
async def running(settings: Settings, tmp_path: Path) -> AsyncIterator[RunningApplication]:
    """A gallery of three cameras; its client has a key for `gate` and `yard` with every scope but `admin`."""
    path = tmp_path / "keys.json"
    everywhere = add_key(path, Scope.INGEST, Scope.READ)
    limited = add_key(path, Scope.INGEST, Scope.READ, Scope.SEARCH, camera_ids=frozenset({"gate", "yard"}))
    async with run_application(settings.model_copy(update={"api_keys_file": path})) as running:
        await running.wait_until_ready()
        running.client.headers.update(bearer(everywhere))
        for number, (detection_id, camera_id) in enumerate(CAMERAS.items()):
            assert await put(running, detection_id, camera_id, number) == 201
        running.client.headers.update(bearer(limited))
        yield running


async def put(running: RunningApplication, detection_id: str, camera_id: str, seed: int) -> int:
    data = {"camera_id": camera_id, "timestamp": str(1_790_000_000 + seed), "person_id": "p"}
    files = {"image": crop_file(seed)}
    return (await running.client.put(f"/v1/detections/{detection_id}", data=data, files=files)).status_code


async def test_it_ingests_for_its_cameras_alone(running: RunningApplication) -> None:
    assert await put(running, "new", "gate", 7) == 201
    assert await put(running, "g1", "yard", 8) == 200
    assert await put(running, "new-too", "north", 7) == 403
    assert await put(running, "n1", "gate", 7) == 403
    data = {"camera_id": "north", "timestamp": "1790000000"}
    assert (await running.client.post("/v1/detections", data=data, files={"image": crop_file(1)})).status_code == 403


async def test_in_a_batch_others_are_refused_one_by_one(running: RunningApplication) -> None:
    items = [
        {"file": f"{number}.png", "detection_id": detection_id, "camera_id": camera_id, "timestamp": 1_790_000_000}
        for number, (detection_id, camera_id) in enumerate([("a", "gate"), ("b", "north"), ("n1", "gate")])
    ]
    images = [("images", (item["file"], crop_file(number))) for number, item in enumerate(items)]
    data = {"manifest": json.dumps(items)}
    answer = await running.client.post("/v1/detections:batch", data=data, files=images)
    assert [result["status"] for result in answer.json()["results"]] == [201, 403, 403]


@pytest.mark.parametrize("part", ["", "/image", "/feature_map"])
async def test_what_others_saw_is_not_there(running: RunningApplication, part: str) -> None:
    assert (await running.client.get(f"/v1/detections/g1{part}")).status_code == 200
    hidden = await running.client.get(f"/v1/detections/n1{part}")
    absent = await running.client.get(f"/v1/detections/zz{part}")
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.json()["detail"].replace("n1", "zz") == absent.json()["detail"]


async def test_listings(running: RunningApplication) -> None:
    async def listed(**fields: str) -> list[str]:
        answer = await running.client.get("/v1/detections", params=fields)
        return [each["detection_id"] for each in answer.json()["detections"]]

    assert await listed() == ["g1", "g2", "y1"]
    assert await listed(person_id="p", camera_id="yard") == ["y1"]
    first = await running.client.get("/v1/detections", params={"limit": 2})
    assert await listed(cursor=first.json()["next_cursor"]) == ["y1"]
    assert (await running.client.get("/v1/detections", params={"camera_id": "north"})).status_code == 403


async def test_searches(running: RunningApplication) -> None:
    def found(answer: dict[str, list[dict[str, str]]]) -> set[str]:
        return {match["detection_id"] for match in answer["matches"]}

    assert found((await running.search()).json()) == {"g1", "g2", "y1"}
    assert found((await running.search(camera_ids="yard")).json()) == {"y1"}
    assert found((await running.search(detection_id="g1", exclude_camera_ids="yard")).json()) == {"g2"}
    lifted = (await running.search(temporal_lifting="bootstrap", include_pivots="true")).json()
    assert found(lifted) == {"g1", "g2", "y1"}
    assert not set(lifted["temporal_lifting"]["nearby"]) & {"n1", "n2"}
    for fields in (
        {"camera_ids": ["gate", "north"]},
        {"camera_id": "north", "timestamp": "1790000000"},
        {"detection_id": "g1", "camera_id": "north"},
    ):
        answer = await running.search(**fields)
        assert (answer.status_code, "camera north" in answer.json()["detail"]) == (403, True)
    assert (await running.search(detection_id="n1")).status_code == 404


async def test_the_gallerys_cameras(running: RunningApplication) -> None:
    gallery = (await running.client.get("/v1/gallery")).json()
    assert [each["camera_id"] for each in gallery["cameras"]] == ["gate", "yard"]
