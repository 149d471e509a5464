"""Erasure and retention of a whole service over HTTP: its receipts, and the raw files of its data directory."""

import re
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.service.conftest import StartService
from tests.service.declared_answers import open_checked_client
from tests.service.drawn_crops import crop_file, draw_crop, encode

UUID_7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def put(client: httpx.Client, detection_id: str, image: bytes, **fields: str) -> httpx.Response:
    data = {"camera_id": "c1", "timestamp": "1790000000", **fields}
    return client.put(f"/v1/detections/{detection_id}", data=data, files={"image": image})


def wait_until_complete(client: httpx.Client, receipt_id: str, seconds: float = 60) -> dict[str, object]:
    deadline = time.monotonic() + seconds
    while (receipt := client.get(f"/v1/erasures/{receipt_id}").json())["state"] != "complete":
        assert time.monotonic() < deadline, receipt
        time.sleep(0.1)
    return dict(receipt)


def noise(seed: int) -> Image.Image:
    """A picture of whose file no forty bytes stand in another's, as they do where colours are flat."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (240, 120, 3), dtype=np.uint8))


def files_with(data_dir: Path, parts: dict[str, bytes]) -> set[str]:
    """Which parts stand in any file of a data directory but the audit record, which is the account of what was erased;
    the service is another process, whose locks are its own.
    """
    paths = [path for path in data_dir.rglob("*") if path.is_file() and "audit" not in path.parts]
    contents = [path.read_bytes() for path in paths]
    return {name for name, part in parts.items() if any(part in content for content in contents)}


def parts_of(client: httpx.Client, detection_id: str) -> dict[str, bytes]:
    """Pieces of a stored detection that no other has."""
    crop = client.get(f"/v1/detections/{detection_id}/image").content
    feature_map = client.get(f"/v1/detections/{detection_id}/feature_map").content[128:]
    metadata = client.get(f"/v1/detections/{detection_id}").json()
    texts = {name: str(metadata[name]).encode() for name in ("detection_id", "camera_id", "track_id", "person_id")}
    pieces = {
        "crop": crop[-200:-160],
        "crop's end": crop[-60:-20],
        "map": feature_map[:32],
        "map's end": feature_map[-32:],
    }
    return texts | pieces


def test_a_receipt_says_when_no_byte_is_left(start_service: StartService, tmp_path: Path) -> None:
    service = start_service()
    with open_checked_client(service.url) as client:
        labels = {"camera_id": "camera-zebra", "track_id": "track-yak", "person_id": "person-xerus"}
        for detection_id, seed, kind in (("detection-alpaca", 1, "JPEG"), ("detection-bison", 2, "PNG")):
            assert put(client, detection_id, encode(noise(seed), kind), **labels).status_code == 201
        put(client, "kept", crop_file(3))
        parts = parts_of(client, "detection-alpaca") | {
            f"second {name}": part for name, part in parts_of(client, "detection-bison").items()
        }
        assert files_with(tmp_path / "service", parts) == set(parts)
        response = client.delete("/v1/detections/detection-alpaca")
        assert response.status_code == 204
        answer = client.post("/v1/detections:erase", json={"person_id": "person-xerus"}).json()
        assert answer["erased"] == 1
        receipts = [response.headers["erasure-receipt"], answer["receipt_id"]]
        assert all(UUID_7.fullmatch(each) for each in receipts)
        for receipt_id in receipts:
            receipt = wait_until_complete(client, receipt_id)
            assert set(receipt) == {"receipt_id", "erased", "requested_at", "completed_at", "state"}
            assert (receipt["receipt_id"], receipt["erased"]) == (receipt_id, 1)
            assert str(receipt["completed_at"]) > str(receipt["requested_at"])
        assert files_with(tmp_path / "service", parts) == set()
        assert client.get("/v1/detections/kept/image").content == crop_file(3)
        unknown = client.get("/v1/erasures/unknown")
        assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/receipt-not-found")


def test_a_pending_receipt_outlives_kill_9(start_service: StartService, tmp_path: Path) -> None:
    service = start_service()
    with open_checked_client(service.url) as client:
        put(client, "detection-alpaca", encode(noise(1), "PNG"), track_id="track-yak", person_id="person-xerus")
        parts = parts_of(client, "detection-alpaca")
        del parts["camera_id"]
        receipt_id = client.delete("/v1/detections/detection-alpaca").headers["erasure-receipt"]
        assert client.get(f"/v1/erasures/{receipt_id}").json()["state"] == "pending"
    service.kill()
    assert files_with(tmp_path / "service", parts)
    again = start_service()
    with open_checked_client(again.url) as client:
        wait_until_complete(client, receipt_id)
    assert files_with(tmp_path / "service", parts) == set()


def test_detections_go_at_their_age(start_service: StartService, tmp_path: Path) -> None:
    service = start_service(retention_seconds=3600, camera_retention_seconds='{"short": 4}')
    with open_checked_client(service.url) as client:
        now = time.time()
        for camera_id, seconds in (("short", 3601), ("short", 5), ("c1", 3601), ("c1", -400)):
            refused = put(client, "refused", crop_file(1), camera_id=camera_id, timestamp=f"{now - seconds:.6f}")
            assert refused.status_code == 422
            assert [error["field"] for error in refused.json()["errors"]] == ["timestamp"]
        assert put(client, "kept", crop_file(2), timestamp=f"{now - 3000:.6f}").status_code == 201
        started = time.time()
        assert (
            put(client, "goes", encode(draw_crop(1), "PNG"), camera_id="short", timestamp=f"{started:.6f}").status_code
            == 201
        )
        parts = {"map": client.get("/v1/detections/goes/feature_map").content[128:160], "id": b'"detection_id":"goes"'}
        assert files_with(tmp_path / "service", parts) == set(parts)
        while client.get("/v1/detections/goes").status_code == 200:
            assert time.time() < started + 4 + 60
            time.sleep(0.2)
        assert time.time() >= started + 4
        search = client.post("/v1/search", files={"image": crop_file(1)}).json()
        assert [match["detection_id"] for match in search["matches"]] == ["kept"]
        while files_with(tmp_path / "service", parts):
            assert time.time() < started + 4 + 60
            time.sleep(0.5)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_without_crops_none_is_kept_and_a_posted_one_is_still_known(
    start_service: StartService, tmp_path: Path, kind: str
) -> None:
    image = encode(noise(1), kind)
    service = start_service(store_crops=False)
    with open_checked_client(service.url) as client:
        assert put(client, "a", image).status_code == 201
        put(client, "b", crop_file(2))
        response = client.get("/v1/detections/a/image")
        assert response.status_code == 404
        assert "kept no crops" in response.json()["detail"]
        assert client.get("/v1/detections/a").json()["image"] == {"width": 120, "height": 240}
        assert files_with(tmp_path / "service", {"crop": image[-200:-160]}) == set()
        query = {"camera_id": "c1", "timestamp": "1790000000"}
        answer = client.post("/v1/search", data=query, files={"image": image}).json()
        assert answer["temporal_lifting"]["nearby"] == ["b"]
        assert answer["matches"][0]["detection_id"] == "a"


def test_crops_from_before_stay_and_are_counted(start_service: StartService) -> None:
    service = start_service()
    with open_checked_client(service.url) as client:
        put(client, "a", crop_file(1))
    service.stop()
    again = start_service(store_crops=False)
    with open_checked_client(again.url) as client:
        assert client.get("/v1/detections/a/image").content == crop_file(1)
        put(client, "a", crop_file(1))
        assert client.get("/v1/detections/a/image").status_code == 404
    assert "1 detections from before still have their crops" in again.log
