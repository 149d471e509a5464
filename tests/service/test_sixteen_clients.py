"""Sixteen clients at once: no error but 429, every answer right, memory flat."""

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil

from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.running_service import RunningService

WRITERS = 8
SEARCHERS = 8
KNOWN = 40
WARM_UP_SECONDS = 4.0
SECONDS = 10.0
TIME = 1_760_000_000
# Buffers of the allocator come and go; a leak of one crop (5 kB) a request would be above this.
GROWTH_BYTES = 48 * 2**20


def put(client: httpx.Client, detection_id: str, seed: int) -> httpx.Response:
    return client.put(
        f"/v1/detections/{detection_id}",
        files={"image": ("crop.jpg", crop_file(seed), "image/jpeg")},
        data={"camera_id": f"c{seed % 4}", "timestamp": str(TIME + seed)},
    )


def write(service: RunningService, writer: int, stop: threading.Event, statuses: Counter[int]) -> None:
    """Replaces the same few detections over and over, and erases one now and then."""
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for turn in itertools.count():
            if stop.is_set():
                return
            detection_id = f"w{writer}-{turn % 10}"
            response = put(client, detection_id, 1000 + writer * 10 + turn % 10)
            statuses[response.status_code] += 1
            if turn % 10 == 9:
                statuses[client.delete(f"/v1/detections/{detection_id}").status_code] += 1


def search(service: RunningService, searcher: int, stop: threading.Event, statuses: Counter[int]) -> None:
    """Searches for known crops, every other time with lifting by those nearby. Without it, each must be found first, as
    itself, whatever the others write.
    """
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for turn in itertools.count(searcher):
            if stop.is_set():
                return
            seed = turn % KNOWN
            lifted = {"temporal_lifting": "on", "camera_id": f"c{seed % 4}", "timestamp": str(TIME + seed)}
            response = client.post(
                "/v1/search",
                files={"image": ("crop.jpg", crop_file(seed), "image/jpeg")},
                data={"limit": "5"} | (lifted if turn % 2 else {"temporal_lifting": "off"}),
            )
            statuses[response.status_code] += 1
            if response.status_code == 200 and turn % 2:
                assert response.json()["temporal_lifting"]["nearby"], response.text
            elif response.status_code == 200:
                best = response.json()["matches"][0]
                assert best["detection_id"] == f"known{seed}", response.text
                assert best["correspondences"][0]["similarity"] > 0.99


def test_sixteen_clients_get_right_answers(start_service: StartService) -> None:
    service = start_service()
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for seed in range(KNOWN):
            assert put(client, f"known{seed}", seed).status_code == 201
    statuses: Counter[int] = Counter()
    stop = threading.Event()
    process = psutil.Process(service.process.pid)
    with ThreadPoolExecutor(WRITERS + SEARCHERS) as threads:
        running = [threads.submit(write, service, writer, stop, statuses) for writer in range(WRITERS)]
        running += [threads.submit(search, service, searcher, stop, statuses) for searcher in range(SEARCHERS)]
        time.sleep(WARM_UP_SECONDS)
        before = process.memory_info().rss
        time.sleep(SECONDS)
        after = process.memory_info().rss
        stop.set()
        for each in running:
            each.result()
    assert set(statuses) <= {200, 201, 204, 429}, statuses
    assert statuses[200] > 100, statuses
    assert after - before < GROWTH_BYTES, f"{before:,} → {after:,} bytes, {statuses}"
    assert service.stop() == 0, service.log
