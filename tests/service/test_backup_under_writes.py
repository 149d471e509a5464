"""Backups of a real service while four clients write, replace and erase, and what is served from one restored."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from service.storage.backup.backup_verification import verify_backup
from service.storage.backup.record_copy import open_for_reading
from service.storage.record_databases import RecordDatabases
from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.running_service import RunningService
from tests.service.test_crash_recovery import list_ids

CLIENTS = 4
IDS_OF_A_CLIENT = 12
# Of a client's writes. The long form: QACONV_TEST_BACKUP_ROUNDS=500.
ROUNDS = int(os.environ.get("QACONV_TEST_BACKUP_ROUNDS", "40"))
BACKUPS = 2


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "service.main", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)


def write(url: str, client: int, may_end: threading.Event) -> int:
    """Puts, replaces and erases; version v of a detection has crop v, track tv and camera c(v mod 5): one whole."""
    rounds = 0
    with httpx.Client(base_url=url, timeout=60) as http:
        while rounds < ROUNDS or not may_end.is_set():
            version = client + CLIENTS * rounds
            path = f"/v1/detections/w{client}-{rounds % IDS_OF_A_CLIENT}"
            data = {
                "camera_id": f"c{version % 5}",
                "timestamp": str(1_760_000_000 + version),
                "track_id": f"t{version}",
            }
            files = {"image": ("crop.jpg", crop_file(version), "image/jpeg")}
            assert http.put(path, data=data, files=files).status_code in (200, 201)
            if rounds % 7 == 3:
                assert http.delete(path).status_code == 204
            rounds += 1
    return rounds


def put_still(service: RunningService, names: Sequence[str]) -> None:
    with httpx.Client(base_url=service.url, timeout=60) as http:
        for number, name in enumerate(names):
            data = {"camera_id": "still", "timestamp": str(1_750_000_000 + number), "track_id": f"t{number}"}
            files = {"image": ("crop.jpg", crop_file(number), "image/jpeg")}
            assert http.put(f"/v1/detections/{name}", data=data, files=files).status_code == 201


def snapshot_times(snapshot: Path) -> dict[str, int]:
    """When each detection was created, in microseconds."""
    with open_for_reading(snapshot / "records", is_shared=False) as environment:
        found = RecordDatabases(environment).walker.iterate_metadata(lambda *_: None)
        return {each.detection_id: each.created_at_us for each in found}


def requested_meanwhile(snapshot: Path) -> dict[str, int]:
    """When those erasures were requested that had not ended when the backup began, in microseconds, by detection.

    The backup's records may hold them, and a restore leaves them out.
    """
    created_at = verify_backup(snapshot).manifest.created_at
    segments = sorted((snapshot / "audit").glob("*.jsonl"))
    entries = [json.loads(line) for segment in segments for line in segment.read_text().splitlines()]
    ended = {
        entry["requested"]
        for entry in entries
        if entry["event"] == "erased" and datetime.fromisoformat(entry["time"]) < created_at
    }
    requests = [entry for entry in entries if entry["event"] == "erase_requested" and entry["sequence"] not in ended]
    return {
        entry["meant"]["detection_id"]: round(datetime.fromisoformat(entry["time"]).timestamp() * 1e6)
        for entry in requests
    }


def assert_exactly(service: RunningService, expected: Sequence[str]) -> None:
    """The service answers these detections and no other, each of them wholly one version."""
    with httpx.Client(base_url=service.url, timeout=60) as http:
        assert sorted(list_ids(http)) == sorted(expected)
        for detection_id in expected:
            about = http.get(f"/v1/detections/{detection_id}").raise_for_status().json()
            version = int(about["track_id"][1:])
            crop = http.get(f"/v1/detections/{detection_id}/image").raise_for_status().content
            assert crop == crop_file(version)
            if about["camera_id"] != "still":
                assert about["camera_id"] == f"c{version % 5}"
        image = {"image": ("crop.jpg", crop_file(1), "image/jpeg")}
        found = http.post("/v1/search", files=image, data={"limit": "1000", "num_correspondences": "0"})
        assert sorted(each["detection_id"] for each in found.raise_for_status().json()["matches"]) == sorted(expected)
        assert http.get("/v1/gallery").json()["set_aside"] == 0


@pytest.mark.slow
def test_backups_made_while_four_clients_write(
    start_service: StartService, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    service = start_service()
    still = [f"still-{number}" for number in range(20)]
    put_still(service, still)
    data_dir = tmp_path / "service"
    may_end = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as threads:
        writing = [threads.submit(write, service.url, client, may_end) for client in range(CLIENTS)]
        try:
            for number in range(BACKUPS):
                made = command("backup", "create", tmp_path / f"snapshot{number}", "--data-dir", data_dir)
                assert made.returncode == 0, made.stderr
                checked = command("verify", "--data-dir", data_dir)
                assert checked.returncode == 0, checked.stdout + checked.stderr
        finally:
            may_end.set()
        assert all(each.result() >= ROUNDS for each in writing)
    assert service.stop() == 0
    for number in range(BACKUPS):
        snapshot = tmp_path / f"snapshot{number}"
        assert verify_backup(snapshot).faults == ()
        expected = snapshot_times(snapshot)
        assert set(still) <= set(expected)
        assert len(expected) > len(still)
        assert {path.name for path in snapshot.rglob("*")} >= {"data.mdb", "manifest.json"}
    restored = command("backup", "restore", tmp_path / "snapshot1", "--data-dir", tmp_path / "restored")
    assert restored.returncode == 0, restored.stderr
    expected = list(snapshot_times(tmp_path / "restored"))
    created_us, requested_us = snapshot_times(tmp_path / "snapshot1"), requested_meanwhile(tmp_path / "snapshot1")
    left_out = set(created_us) - set(expected)
    assert all(created_us[each] <= requested_us[each] for each in left_out)
    assert f"restored {len(expected)} records, 0 set aside; left out {len(left_out)} that" in restored.stdout
    again = RunningService.start(tmp_path / "restored", tiny_checkpoint)
    try:
        assert_exactly(again, expected)
    finally:
        assert again.stop() == 0, again.log


def test_what_was_answered_before_a_backup_is_in_it(start_service: StartService, tmp_path: Path) -> None:
    service = start_service()
    put_still(service, ["a", "b"])
    with httpx.Client(base_url=service.url, timeout=60) as http:
        assert http.delete("/v1/detections/a").status_code == 204
    began = time.time()
    made = command("backup", "create", tmp_path / "snapshot", "--data-dir", tmp_path / "service")
    assert made.returncode == 0, made.stderr
    assert list(snapshot_times(tmp_path / "snapshot")) == ["b"]
    created_at = verify_backup(tmp_path / "snapshot").manifest.created_at.timestamp()
    assert began <= created_at <= time.time()
