"""The stream and whole services: killed, shared, ended; each detection is there once, and none is lost."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from tests.service.camera_worker import STREAM_KEY, append
from tests.service.conftest import StartService
from tests.service.running_service import RunningService
from tests.service.stoppable_redis import StoppableRedis

# The long form: QACONV_TRIAL_FACTOR=20 appends and kills twenty times as often.
FACTOR = int(os.environ.get("QACONV_TRIAL_FACTOR", "1"))
DETECTIONS = 300 * FACTOR
KILLS = 2 * FACTOR


@pytest.fixture
def stream_redis(tmp_path: Path) -> Iterator[StoppableRedis]:
    server = StoppableRedis(tmp_path)
    server.start()
    yield server
    server.kill()


class CameraWorkers(threading.Thread):
    """Appends detections to the stream for some seconds; every third names its ID itself."""

    def __init__(self, stream_redis: StoppableRedis, seconds: float, first: int = 0) -> None:
        super().__init__()
        self._redis = stream_redis
        self._seconds = seconds
        self._numbers = range(first, first + DETECTIONS)

    def run(self) -> None:
        with self._redis.client() as client:
            for number in self._numbers:
                append(client, number, detection_id=f"d{number}" if number % 3 == 0 else None)
                time.sleep(self._seconds / DETECTIONS)


def wait_until_drained(stream_redis: StoppableRedis, timeout_seconds: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_seconds
    with stream_redis.client() as client:
        while client.xlen(STREAM_KEY):
            assert time.monotonic() < deadline, client.xpending(STREAM_KEY, "qaconv")
            time.sleep(0.05)


def wait_until_something_is_in_hand(client: "redis.Redis", timeout_seconds: float = 1.0) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not client.xpending(STREAM_KEY, "qaconv")["pending"] and time.monotonic() < deadline:
        time.sleep(0.001)


def list_timestamps(service: RunningService) -> list[str]:
    """The timestamps of all detections; each entry had one of its own."""
    found: list[str] = []
    cursor: str | None = None
    with httpx.Client(base_url=service.url, timeout=30) as client:
        while True:
            parameters = {"limit": "1000"} | ({"cursor": cursor} if cursor else {})
            page = client.get("/v1/detections", params=parameters).raise_for_status().json()
            found += [detection["timestamp"] for detection in page["detections"]]
            cursor = page["next_cursor"]
            if cursor is None:
                assert client.get("/v1/gallery").json()["size"] == len(found)
                return found


def test_kill_nine_again_and_again_while_cameras_append(
    start_service: StartService, stream_redis: StoppableRedis
) -> None:
    settings = {"stream_redis_url": stream_redis.url, "stream_claim_seconds": 1, "gallery_capacity": 2 * DETECTIONS}
    service = start_service(**settings)
    workers = CameraWorkers(stream_redis, seconds=8.0 * FACTOR)
    workers.start()
    with stream_redis.client() as client:
        left_behind = 0
        for kill in range(KILLS):
            time.sleep(0.3 + 0.11 * (kill % 7))
            wait_until_something_is_in_hand(client)
            service.kill()
            left_behind += client.xpending(STREAM_KEY, "qaconv")["pending"]
            service = start_service(**settings)
        workers.join()
        wait_until_drained(stream_redis)
        timestamps = list_timestamps(service)
        assert len(set(timestamps)) == len(timestamps) == DETECTIONS
        assert client.xlen(f"{STREAM_KEY}:rejected") == 0
        assert client.xpending(STREAM_KEY, "qaconv")["pending"] == 0
    assert left_behind > 0
    assert service.stop() == 0, service.log


def test_two_services_share_the_entries(stream_redis: StoppableRedis, tmp_path: Path, tiny_checkpoint: Path) -> None:
    settings = {"stream_redis_url": stream_redis.url, "extraction_batch": 8}
    services = [RunningService.start(tmp_path / name, tiny_checkpoint, **settings) for name in ("one", "two")]
    try:
        workers = CameraWorkers(stream_redis, seconds=1.0)
        workers.start()
        workers.join()
        wait_until_drained(stream_redis)
        shares = [list_timestamps(service) for service in services]
        assert min(map(len, shares)) > 0
        together = shares[0] + shares[1]
        assert len(set(together)) == len(together) == DETECTIONS
        assert [service.stop() for service in services] == [0, 0]
        with stream_redis.client() as client:
            assert client.xinfo_consumers(STREAM_KEY, "qaconv") == []
    finally:
        for service in services:
            if service.process.poll() is None:
                service.kill()


def test_sigterm_leaves_nothing_in_hand(start_service: StartService, stream_redis: StoppableRedis) -> None:
    service = start_service(stream_redis_url=stream_redis.url)
    workers = CameraWorkers(stream_redis, seconds=0.1)
    workers.start()
    workers.join()
    began = time.monotonic()
    assert service.stop() == 0, service.log
    # 10 s for what is in flight; the rest is the end of PyTorch and Python on a machine that does other things.
    assert time.monotonic() - began < 10 + 20
    with stream_redis.client() as client:
        left = client.xlen(STREAM_KEY)
        assert client.xpending(STREAM_KEY, "qaconv")["pending"] == 0
    service = start_service()
    assert len(list_timestamps(service)) == DETECTIONS - left
    assert service.stop() == 0, service.log


def test_at_sigterm_the_stream_ends_beside_the_requests_and_not_after_them(
    start_service: StartService, stream_redis: StoppableRedis
) -> None:
    service = start_service(stream_redis_url=stream_redis.url, shutdown_timeout_seconds=5)
    host, _, port = service.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as slow_upload, stream_redis.client() as client:
        head = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=q\r\n"
        slow_upload.sendall(f"{head}Content-Length: 1000\r\n\r\n--q\r\n".encode())
        time.sleep(0.5)
        service.process.terminate()
        time.sleep(2.5)  # longer than it takes to see the signal, and to read what is waited for already
        for number in range(5):
            append(client, number)
        assert service.process.wait(60) == 0, service.log
        assert b"shutting down" in slow_upload.recv(4096)
        assert client.xlen(STREAM_KEY) == 5
        assert client.xinfo_consumers(STREAM_KEY, "qaconv") == []


def test_a_url_that_is_none_of_a_redis_is_refused_at_the_start(start_service: StartService) -> None:
    with pytest.raises(RuntimeError, match="QACONV_STREAM_REDIS_URL begins with none of redis://"):
        start_service(stream_redis_url="http://127.0.0.1/")
