"""A real service whose data file was damaged on the disk: it starts, serves the rest, and names what it set aside."""

import json
import subprocess
import sys
from pathlib import Path

import httpx

from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.running_service import RunningService
from tests.service.storage.data_file import flip_in_file, flip_wherever, place_in_file

# Large enough for pages of their own.
WIDTH, HEIGHT = 160, 320
NAMES = [f"d{number}" for number in range(6)]


def put(service: RunningService, name: str) -> int:
    data = {"camera_id": "c", "timestamp": "1760000000", "track_id": f"track-of-{name}"}
    files = {"image": ("crop.jpg", crop_file(int(name[1:]), WIDTH, HEIGHT), "image/jpeg")}
    return httpx.put(f"{service.url}/v1/detections/{name}", data=data, files=files, timeout=60).status_code


def verify(data_dir: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.main", "verify", "--data-dir", str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_it_starts_serves_the_rest_and_names_what_is_damaged(start_service: StartService, tmp_path: Path) -> None:
    service = start_service()
    assert [put(service, name) for name in NAMES] == [201] * 6
    data_dir = tmp_path / "service"
    assert verify(data_dir).returncode == 0
    assert service.stop() == 0
    flip_in_file(data_dir, place_in_file(data_dir, crop_file(1, WIDTH, HEIGHT)) + 2000)
    flip_wherever(data_dir, b"track-of-d2", 9, 0x01)  # metadata: the track of somebody else

    found = verify(data_dir)
    assert found.returncode == 1
    assert "damaged: 'd1': the crop's SHA-256" in found.stdout
    assert "damaged: 'd2': the metadata's SHA-256" in found.stdout
    assert found.stdout.endswith("4 records are sound, 2 damaged, 0 set aside\n")

    service = start_service()
    assert service.log.count("is damaged and was set aside") == 2
    assert "2 damaged records are set aside" in service.log
    flip_in_file(data_dir, place_in_file(data_dir, crop_file(4, WIDTH, HEIGHT)) + 2000)  # while it runs
    with httpx.Client(base_url=service.url, timeout=60) as http:
        for name in ("d1", "d2", "d4"):
            for part in ("/image", ""):
                answer = http.get(f"/v1/detections/{name}{part}")
                assert answer.status_code == 404
                assert answer.headers["content-type"] == "application/problem+json"
                assert "set aside" in answer.json()["detail"]
        for name in ("d0", "d3", "d5"):
            assert http.get(f"/v1/detections/{name}/image").content == crop_file(int(name[1:]), WIDTH, HEIGHT)
        image = {"image": ("crop.jpg", crop_file(1), "image/jpeg")}
        matches = http.post("/v1/search", files=image).json()["matches"]
        assert sorted(each["detection_id"] for each in matches) == ["d0", "d3", "d5"]
        gallery = http.get("/v1/gallery").json()
        assert (gallery["size"], gallery["set_aside"]) == (3, 3)
        assert http.get("/readyz").status_code == 200

        found = verify(data_dir)
        assert found.returncode == 1
        assert [line.split("'")[1] for line in found.stdout.splitlines()[:-1]] == ["d1", "d2", "d4"]
        assert found.stdout.endswith("3 records are sound, 0 damaged, 3 set aside\n")

        assert put(service, "d1") == 201
        assert http.delete("/v1/detections/d2").status_code == 204
        assert http.delete("/v1/detections/d2").status_code == 404
        assert http.delete("/v1/detections/d4").status_code == 204
        assert http.get("/v1/gallery").json()["set_aside"] == 0
    assert verify(data_dir).returncode == 0
    assert json.dumps("track-of") not in service.log
    assert service.stop() == 0


def test_a_data_file_that_was_cut_is_told_by_verify(start_service: StartService, tmp_path: Path) -> None:
    service = start_service()
    for name in NAMES:
        put(service, name)
    assert service.stop() == 0
    data_file = tmp_path / "service" / "records" / "data.mdb"
    with data_file.open("r+b") as file:
        file.truncate(data_file.stat().st_size // 2 // 4096 * 4096)
    found = verify(tmp_path / "service")
    assert found.returncode == 1
    assert "is damaged: " in found.stderr
    assert "backup restore" in found.stderr
