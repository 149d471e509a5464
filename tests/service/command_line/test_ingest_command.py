"""`ingest` against a real service."""

import json
from pathlib import Path

import httpx
import pytest

from service.main import main
from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.running_service import RunningService


def ingest(service: RunningService, source: Path, *flags: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["ingest", str(source), "--url", service.url, *flags])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def write_folder(folder: Path, camera: str, count: int) -> Path:
    """A folder of crops with its CSV; more than a batch where `count` is more than 32."""
    rows = ["file,camera_id,timestamp,track_id,person_id"]
    for number in range(count):
        (folder / f"{camera} {number:02d}.jpg").write_bytes(crop_file(number))
        rows.append(f"{camera} {number:02d}.jpg,{camera},{100 + number}.000001,walk-{number},p{number % 3}")
    (folder / "detections.csv").write_text("\n".join(rows))
    return folder


def listed(service: RunningService, camera: str) -> list[dict[str, object]]:
    answer = httpx.get(f"{service.url}/v1/detections", params={"camera_id": camera, "limit": 1000})
    found: list[dict[str, object]] = answer.raise_for_status().json()["detections"]
    return found


def test_a_folder_is_stored_whole_and_storing_it_again_is_harmless(
    running_service: RunningService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path, "folder-camera", 40)
    assert ingest(running_service, folder) == 0
    assert "40 of 40 detections ingested in" in capsys.readouterr().out
    first = listed(running_service, "folder-camera")
    assert [each["detection_id"] for each in first] == [f"folder-camera_{number:02d}" for number in range(40)]
    assert first[1]["timestamp"] == "1970-01-01T00:01:41.000001Z"
    assert (first[1]["track_id"], first[1]["person_id"]) == ("walk-1", "p1")
    assert ingest(running_service, folder, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["total"], summary["new"], summary["replaced"], summary["failed"]) == (40, 0, 40, [])
    assert len(listed(running_service, "folder-camera")) == 40


def test_what_fails_is_named_and_its_neighbours_are_stored(
    running_service: RunningService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.jpg").write_bytes(crop_file(1))
    (tmp_path / "text.jpg").write_text("this is no image")
    rows = ["file,camera_id,timestamp", "good.jpg,bad-camera,1", "text.jpg,bad-camera,2"]
    (tmp_path / "crops.csv").write_text("\n".join(rows))
    assert ingest(running_service, tmp_path / "crops.csv") == 1
    output = capsys.readouterr()
    assert "1 of 2 detections ingested" in output.out
    assert "1 failed" in output.out
    assert "text.jpg: " in output.err
    assert "good.jpg" not in output.err
    assert [each["detection_id"] for each in listed(running_service, "bad-camera")] == ["good"]


def test_failures_as_json(running_service: RunningService, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "late.jpg").write_text("this is no image")
    (tmp_path / "crops.csv").write_text("file,camera_id,timestamp\nlate.jpg,late-camera,1\n")
    assert ingest(running_service, tmp_path / "crops.csv", "--json") == 1
    output = capsys.readouterr()
    assert output.err == ""
    (failed,) = json.loads(output.out)["failed"]
    assert (failed["file"], failed["detection_id"], failed["status"]) == ("late.jpg", "late", 400)
    assert "send a JPEG" in failed["problem"]


def test_names_as_in_market_1501(running_service: RunningService, tmp_path: Path) -> None:
    (tmp_path / "0007_c77s1_000025_01.jpg").write_bytes(crop_file(3))
    assert ingest(running_service, tmp_path) == 0
    (stored,) = listed(running_service, "c77")
    assert (stored["timestamp"], stored["person_id"]) == ("1970-01-01T00:00:01.000000Z", "0007")


def test_a_csv_with_a_fault_sends_nothing(
    running_service: RunningService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.jpg").write_bytes(crop_file(1))
    rows = ["file,camera_id,timestamp", "good.jpg,csv-camera,1", "gone.jpg,csv-camera,2"]
    (tmp_path / "crops.csv").write_text("\n".join(rows))
    assert ingest(running_service, tmp_path / "crops.csv") == 2
    assert "line 3: the file gone.jpg is not there" in capsys.readouterr().err
    assert listed(running_service, "csv-camera") == []


def test_a_full_service_is_sent_no_more_and_said_once(
    start_service: StartService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = start_service(gallery_capacity=2)
    rows = ["file,camera_id,timestamp"]
    for number in range(300):
        (tmp_path / f"{number}.jpg").write_bytes(crop_file(1))
        rows.append(f"{number}.jpg,c,{number}")
    (tmp_path / "crops.csv").write_text("\n".join(rows))
    assert ingest(service, tmp_path / "crops.csv") == 1
    output = capsys.readouterr()
    lines = [line for line in output.err.splitlines() if "failed" in line or "full" in line]
    assert "2 of 300 detections ingested" in output.out
    assert len(lines) <= 3
    assert any("not sent, for the service is full" in line and " more: " in line for line in lines)
    assert any("capacity" in line for line in lines)
