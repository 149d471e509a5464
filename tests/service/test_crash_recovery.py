"""kill -9 in the middle of an ingest, and a Redis emptied while the service is down: nothing answered is lost."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import httpx
import numpy as np
import pytest
import redis

from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.running_service import RunningService

CLIENTS = 4
DETECTIONS = 1000
KILLED_AFTER = 300
TIME = 1_760_000_000


def put(client: httpx.Client, number: int) -> httpx.Response:
    return client.put(
        f"/v1/detections/d{number:04}",
        files={"image": ("crop.jpg", crop_file(number), "image/jpeg")},
        data={"camera_id": f"c{number % 3}", "timestamp": str(TIME + number)},
    )


def ingest_until_killed(service: RunningService, numbers: Sequence[int], answered: list[int]) -> None:
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for number in numbers:
            try:
                response = put(client, number)
            except httpx.TransportError:
                return
            assert response.status_code == 201, response.text
            answered.append(number)


def ingest_and_kill(service: RunningService) -> list[int]:
    """Four clients ingest a thousand detections; returns those answered before the service was killed."""
    answered: list[int] = []
    shares = [range(first, DETECTIONS, CLIENTS) for first in range(CLIENTS)]
    enough = threading.Event()

    def kill_when_enough() -> None:
        while len(answered) < KILLED_AFTER:
            enough.wait(0.005)
        service.kill()

    with ThreadPoolExecutor(CLIENTS + 1) as threads:
        killing = threads.submit(kill_when_enough)
        ingesting = [threads.submit(ingest_until_killed, service, share, answered) for share in shares]
        for each in [killing, *ingesting]:
            each.result()
    assert KILLED_AFTER <= len(answered) < DETECTIONS
    return answered


def list_ids(client: httpx.Client) -> list[str]:
    listed: list[str] = []
    cursor: str | None = None
    while True:
        parameters = {"limit": "1000"} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/detections", params=parameters).raise_for_status().json()
        listed += [detection["detection_id"] for detection in page["detections"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return listed


def assert_all_there(service: RunningService, answered: Sequence[int]) -> None:
    """Every answered write is there, whole, searchable, once; so is whatever else was written before the end."""
    with httpx.Client(base_url=service.url, timeout=60) as client:
        listed = list_ids(client)
        assert len(listed) == len(set(listed))
        assert {f"d{number:04}" for number in answered} <= set(listed)
        for detection_id in listed:
            stored = client.get(f"/v1/detections/{detection_id}/image").raise_for_status().content
            assert stored == crop_file(int(detection_id[1:]))
            content = client.get(f"/v1/detections/{detection_id}/feature_map").raise_for_status().content
            feature_map = np.load(BytesIO(content))
            assert np.allclose(np.linalg.norm(feature_map.astype(np.float32), axis=0), 1, atol=2e-3)
        found = client.post(
            "/v1/search",
            files={"image": ("crop.jpg", crop_file(answered[0]), "image/jpeg")},
            data={"limit": "1000", "num_correspondences": "0"},
        )
        matches = [match["detection_id"] for match in found.raise_for_status().json()["matches"]]
        assert sorted(matches) == sorted(listed)
        assert client.get("/v1/gallery").json()["size"] == len(listed)


def test_kill_nine_during_ingest_loses_nothing_that_was_answered(start_service: StartService) -> None:
    answered = ingest_and_kill(start_service())
    restarted = start_service()
    assert_all_there(restarted, answered)
    with httpx.Client(base_url=restarted.url, timeout=30) as client:
        assert put(client, answered[0]).status_code == 200
        assert put(client, DETECTIONS).status_code == 201


@pytest.mark.parametrize("kind", ["emptied", "filled with something else"])
def test_a_redis_emptied_while_the_service_is_down_is_filled_again(
    start_service: StartService, external_redis_url: str, kind: str
) -> None:
    service = start_service(redis_url=external_redis_url, redis_key_prefix="crash:")
    answered = list(range(60))
    ingest_until_killed(service, answered, [])
    assert service.stop() == 0, service.log
    with redis.Redis.from_url(external_redis_url) as client:
        client.flushall()
        if kind != "emptied":
            client.set("crash:detection:d0001", "not a hash")
            client.zadd("crash:times", {"never-stored": 1.0})
            client.set("foreign", "kept")
    assert_all_there(start_service(redis_url=external_redis_url, redis_key_prefix="crash:"), answered)
    if kind != "emptied":
        with redis.Redis.from_url(external_redis_url) as client:
            assert client.get("foreign") == b"kept"
