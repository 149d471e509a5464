"""Hostile forms over raw sockets: the service answers each, or closes, and its other clients notice nothing.

QACONV_TRIAL_SECONDS makes it long.
"""

import os
import re
import socket
import time
from collections import Counter
from random import Random
from urllib.parse import urlsplit

import httpx
import psutil

from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.hostile.raw_forms import hostile_request

SECONDS = float(os.environ.get("QACONV_TRIAL_SECONDS", "4"))
SEED = int(os.environ.get("QACONV_TRIAL_SEED", "1"))
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")

# Two decoding threads at 16 bytes for each of 16 million pixels, and some buffers of the allocator.
GROWTH_BYTES = 2 * 16_000_000 * 16 + 64 * 2**20


def send_raw(url: str, request: bytes) -> str:
    """The status of the answer; "closed" where the connection was closed, "waits" where the request is not whole."""
    address = urlsplit(url)
    assert address.hostname
    with socket.create_connection((address.hostname, address.port or 80), timeout=0.5) as connection:
        try:
            connection.sendall(request)
            answer = connection.recv(4096)
        except TimeoutError:
            return "waits"
        except (ConnectionError, BrokenPipeError):
            return "closed"
    found = _STATUS.match(answer)
    return found[1].decode() if found else "closed"


def test_hostile_forms_are_answered_and_harm_nobody(start_service: StartService) -> None:
    service = start_service(request_timeout_seconds=5)
    random = Random(SEED)
    outcomes: Counter[str] = Counter()
    process = psutil.Process(service.process.pid)
    with httpx.Client(base_url=service.url, timeout=30) as neighbour:
        search = {"files": {"image": ("crop.jpg", crop_file(1), "image/jpeg")}, "data": {"limit": "1"}}
        assert neighbour.post("/v1/search", **search).status_code == 200  # type: ignore[arg-type]
        before = process.memory_info().rss
        end = time.monotonic() + SECONDS
        for number in range(10**9):
            if time.monotonic() > end:
                break
            outcomes[send_raw(service.url, hostile_request(random, f"h{number % 50}"))] += 1
            if number % 50 == 0:
                assert neighbour.post("/v1/search", **search).status_code == 200  # type: ignore[arg-type]
        assert neighbour.get("/readyz").status_code == 200
    growth = process.memory_info().rss - before
    print(f"\nseed {SEED}: {sum(outcomes.values())} forms {dict(outcomes)}, memory +{growth} bytes")  # noqa: T201
    assert not any(status.startswith("5") for status in outcomes), outcomes
    assert {"400", "413", "415", "422"} <= set(outcomes)
    assert growth < GROWTH_BYTES
    assert "that nobody foresaw" not in service.log
    assert service.stop() == 0, service.log
