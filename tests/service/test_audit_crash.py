"""kill -9 under sixteen clients that search: every search that was answered is on record, and the chain is whole."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.running_service import RunningService
from tests.service.storage.audit_writing import read_record

CLIENTS = 16
# How often; raise it for a long trial.
KILLS = int(os.environ.get("QACONV_TEST_AUDIT_KILLS", "1"))
TIME = 1_760_000_000

Answered = dict[str, list[tuple[str, float]]]


def search_until_killed(service: RunningService, client_number: int, answered: Answered) -> None:
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for turn in range(100_000):
            request_id = f"{service.process.pid}-{client_number}-{turn}"
            query = {"detection_id": f"d{turn % 10}"} if turn % 2 else {}
            files = None if query else {"image": ("crop.jpg", crop_file(turn % 10), "image/jpeg")}
            try:
                response = client.post("/v1/search", data=query, files=files, headers={"X-Request-Id": request_id})
            except httpx.TransportError:
                return
            assert response.status_code == 200, response.text
            matches = response.json()["matches"]
            answered[request_id] = [(match["detection_id"], match["score"]) for match in matches]


def search_and_kill(service: RunningService, enough: int) -> Answered:
    answered: Answered = {}
    waiting = threading.Event()

    def kill_when_enough() -> None:
        while len(answered) < enough:
            waiting.wait(0.002)
        service.kill()

    with ThreadPoolExecutor(CLIENTS + 1) as threads:
        running = [threads.submit(kill_when_enough)]
        running += [threads.submit(search_until_killed, service, number, answered) for number in range(CLIENTS)]
        for each in running:
            each.result()
    return answered


def verify(data_dir: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "service.main", "audit", "verify", "--data-dir", str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_kill_nine_loses_no_search_that_was_answered(start_service: StartService, tmp_path: Path) -> None:
    answered: Answered = {}
    service = start_service()
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for number in range(10):
            client.put(
                f"/v1/detections/d{number}",
                files={"image": ("crop.jpg", crop_file(number), "image/jpeg")},
                data={"camera_id": f"c{number % 3}", "timestamp": str(TIME + number)},
            ).raise_for_status()
    for kill in range(KILLS):
        answered |= search_and_kill(service, 40 + 37 * kill)
        service = start_service()
    assert verify(tmp_path / "service").returncode == 0  # while the service runs
    assert service.stop() == 0, service.log
    found = verify(tmp_path / "service")
    assert found.returncode == 0, found.stderr
    entries = read_record(tmp_path / "service")
    searches = {entry["source"]["request_id"]: entry for entry in entries if entry["event"] == "search"}
    assert len(answered) >= 40 * KILLS
    assert answered.keys() <= searches.keys()
    for request_id, matches in answered.items():
        on_record = searches[request_id]["answer"]["matches"]
        assert [(match["detection_id"], match["score"]) for match in on_record] == matches
    assert [entry["event"] for entry in entries].count("started") == KILLS + 1
    assert entries[-1]["event"] == "stopped"
    assert f"the head of the audit record is {entries[-1]['sequence']}:{entries[-1]['hash']}" in service.log
