"""Twice the load that the service can do: the rest gets 429 at once, what is accepted is answered in time, and neither
memory nor file descriptors grow. QACONV_TRIAL_LOAD_SECONDS makes it long.
"""

import asyncio
import os
import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import httpx
import psutil

from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.hostile.load_generator import LoadReport, encode_form, encode_request, saturate, send_at_rate

SECONDS = float(os.environ.get("QACONV_TRIAL_LOAD_SECONDS", "6"))
SEED = int(os.environ.get("QACONV_TRIAL_SEED", "1"))
MAX_REQUESTS = 32
DETECTIONS = 400
CAPACITY_SECONDS, WARM_UP_SECONDS = (min(20.0, max(least, SECONDS / 4)) for least in (3.0, 8.0))
TIME = 1_790_000_000

# What the service promises to accepted requests (its request_timeout_seconds), and how soon it refuses the others.
BOUND_SECONDS = 10.0
REFUSED_SECONDS = 2.0
LATE_SECONDS = 5.0
GROWTH_BYTES = 48 * 2**20
# Of the load's 256 connections those that are idle for a while are closed, and opened again.
GROWTH_DESCRIPTORS = 64


def draw_requests(random: Random) -> Callable[[], bytes]:
    """Mixed traffic: of ten requests four ingest, three search, two read and one erases."""
    crops = [crop_file(seed) for seed in range(20)]

    def draw() -> bytes:
        number = random.randrange(DETECTIONS)
        path = f"/v1/detections/d{number}"
        fields = {"camera_id": f"c{number % 4}", "timestamp": str(TIME + number)}
        kind = random.randrange(10)
        if kind < 4:
            return encode_form("PUT", path, random.choice(crops), **fields)
        if kind < 7:
            lifting = {"temporal_lifting": random.choice(("on", "off")), **fields}
            return encode_form("POST", "/v1/search", random.choice(crops), **lifting)
        if kind < 9:
            return encode_request(
                "GET", random.choice((path, f"{path}/image", "/v1/detections?limit=20", "/v1/gallery"))
            )
        return encode_request("DELETE", path)

    return draw


@contextmanager
def sampled(process: psutil.Process, samples: list[tuple[int, int]]) -> Iterator[None]:
    """Memory and file descriptors of a process, twenty to two hundred times meanwhile."""
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(max(SECONDS / 200, 0.25)):
            samples.append((process.memory_info().rss, process.num_fds()))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def growth_of(values: list[int]) -> float:
    """From the second fifth to the last one, by their medians."""
    fifth = len(values) // 5
    return statistics.median(values[-fifth:]) - statistics.median(values[fifth : 2 * fifth])


def describe(report: LoadReport, capacity: float) -> str:
    quantiles = statistics.quantiles(report.seconds, n=1000)
    return (
        f"capacity {capacity:.0f}/s, sent {report.answered / SECONDS:.0f}/s for {SECONDS:.0f} s: "
        f"{dict(report.statuses)}; "
        f"accepted p50 {quantiles[499]:.3f} p99 {quantiles[989]:.3f} max {max(report.seconds):.3f} s; "
        f"refused p99 {statistics.quantiles(report.refused_seconds, n=100)[-1]:.3f} "
        f"max {max(report.refused_seconds):.3f} s; not sent {report.not_sent}"
    )


def test_twice_the_load_is_refused_for_the_rest_and_borne_for_ever(start_service: StartService) -> None:
    service = start_service(max_requests=MAX_REQUESTS, request_timeout_seconds=BOUND_SECONDS)
    port = httpx.URL(service.url).port
    assert port
    draw = draw_requests(Random(SEED))
    capacity = asyncio.run(saturate(port, draw, CAPACITY_SECONDS, clients=16)).answered / CAPACITY_SECONDS
    # As many at once as the trial has, once: buffers, threads' arenas and the gallery are then as large as they get.
    asyncio.run(send_at_rate(port, draw, 2 * capacity, WARM_UP_SECONDS))
    samples: list[tuple[int, int]] = []
    with sampled(psutil.Process(service.process.pid), samples):
        report = asyncio.run(send_at_rate(port, draw, 2 * capacity, SECONDS))
    memory, descriptors = [rss for rss, _ in samples], [count for _, count in samples]
    print(  # noqa: T201
        f"\nseed {SEED}: {describe(report, capacity)}; memory {memory[0] >> 20}..{max(memory) >> 20} MiB, "
        f"growth {growth_of(memory) / 2**20:.1f} MiB; descriptors growth {growth_of(descriptors):.0f}"
    )
    assert set(report.statuses) <= {200, 201, 204, 404, 429, 503}, report.statuses
    # Accepted, and given up at its time limit: where others keep the machine busy, a few may be.
    assert report.statuses[503] <= report.answered / 1000, report.statuses
    assert report.statuses[429] > report.answered / 10
    assert sum(report.statuses[status] for status in (200, 201, 204)) > 0
    assert max(report.seconds) < BOUND_SECONDS + LATE_SECONDS
    assert statistics.quantiles(report.refused_seconds, n=100)[-1] < REFUSED_SECONDS
    assert report.not_sent < report.answered / 100
    assert growth_of(memory) < GROWTH_BYTES
    assert growth_of(descriptors) <= GROWTH_DESCRIPTORS
    assert httpx.get(f"{service.url}/readyz", timeout=10).status_code == 200
    assert service.stop() == 0, service.log
