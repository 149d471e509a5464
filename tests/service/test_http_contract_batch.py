"""Many detections in one request."""

import json
from collections.abc import Sequence

import httpx
import pytest

from tests.service.drawn_crops import crop_file


def send(client: httpx.Client, manifest: object, files: Sequence[tuple[str, bytes]]) -> httpx.Response:
    parts = [("manifest", (None, json.dumps(manifest))), *(("images", file) for file in files)]
    return client.post("/v1/detections:batch", files=parts)


def item(name: str, **fields: object) -> dict[str, object]:
    return {"file": name, "camera_id": "batch", "timestamp": 1000, **fields}


def test_items_are_answered_in_their_order(service_client: httpx.Client) -> None:
    names = [f"batch-{number}" for number in range(40)]
    files = [(name, crop_file(number)) for number, name in enumerate(names)]
    manifest = [item(name, detection_id=name, track_id="t") for name in names]
    # The parts need not come in the manifest's order.
    response = send(service_client, manifest, files[::-1])
    assert response.json() == {"results": [{"detection_id": name, "status": 201, "warnings": []} for name in names]}
    assert service_client.get("/v1/detections/batch-7/image").content == crop_file(7)
    again = send(service_client, manifest[:2], files[:2]).json()
    assert [result["status"] for result in again["results"]] == [200, 200]


def test_an_item_without_an_id_gets_one(service_client: httpx.Client) -> None:
    (result,) = send(service_client, [item("a", timestamp="2026-11-20T10:00:00Z")], [("a", crop_file(1))]).json()[
        "results"
    ]
    found = service_client.get(f"/v1/detections/{result['detection_id']}").json()
    assert (found["camera_id"], found["timestamp"]) == ("batch", "2026-11-20T10:00:00.000000Z")


def test_the_manifest_may_be_a_file(service_client: httpx.Client) -> None:
    manifest = json.dumps([item("a.jpg")]).encode()
    parts = [("manifest", ("manifest.json", manifest, "application/json")), ("images", ("a.jpg", crop_file(1)))]
    assert service_client.post("/v1/detections:batch", files=parts).json()["results"][0]["status"] == 201


def test_decimal_times_of_a_manifest_are_exact(service_client: httpx.Client) -> None:
    manifest = '[{"file": "a", "detection_id": "exact", "camera_id": "batch", "timestamp": 1795168800.000003}]'
    parts = [("manifest", (None, manifest)), ("images", ("a", crop_file(1)))]
    service_client.post("/v1/detections:batch", files=parts)
    assert service_client.get("/v1/detections/exact").json()["timestamp"] == "2026-11-20T10:00:00.000003Z"


def test_a_bad_item_never_fails_its_neighbours(service_client: httpx.Client) -> None:
    manifest = [
        item("good-1", detection_id="n-good-1"),
        item("text", detection_id="n-text"),
        item("truncated", detection_id="n-truncated"),
        item("absent", detection_id="n-absent"),
        item("late", detection_id="n-late", timestamp="9999-01-01T00:00:00Z"),
        item("slash", detection_id="n/slash"),
        item("extra", detection_id="n-extra", colour="red"),
        {"file": "bare", "detection_id": "n-bare"},
        7,
        item("good-1", detection_id="n-same-file"),
        item("good-2", detection_id="n-good-1"),
        item("twice", detection_id="n-twice"),
        item("good-3", detection_id="n-good-3"),
    ]
    names = ("good-1", "late", "slash", "extra", "bare", "good-2", "twice", "twice", "good-3")
    files = [(name, crop_file(1)) for name in names]
    files += [("text", b"hello, I am text"), ("truncated", crop_file(1)[:-200])]
    results = send(service_client, manifest, files).json()["results"]
    assert [result["status"] for result in results] == [201, 400, 400, 422, 422, 422, 422, 422, 422, 422, 422, 422, 201]
    problems = [result.get("problem") for result in results]
    fields = [problem and [error["field"] for error in problem["errors"]] for problem in problems]
    assert fields == [
        None,
        ["image"],
        ["image"],
        ["file"],
        ["timestamp"],
        ["detection_id"],
        ["colour"],
        ["camera_id", "timestamp"],
        [""],
        ["file"],
        ["detection_id"],
        ["file"],
        None,
    ]
    assert "'absent'" in problems[3]["detail"]
    assert "2 parts" in problems[11]["detail"]
    stored = [f"n-{name}" for name in ("text", "truncated", "absent", "late", "extra", "bare", "same-file", "twice")]
    assert {service_client.get(f"/v1/detections/{name}").status_code for name in stored} == {404}
    assert service_client.get("/v1/detections/n-good-3").status_code == 200


def test_an_empty_batch_stores_nothing(service_client: httpx.Client) -> None:
    assert send(service_client, [], []).json() == {"results": []}


@pytest.mark.parametrize("manifest", ["", "[", "not json", "[NaN]", '[{"file": "a", "file": "a"}]', "[" * 10_000])
def test_a_manifest_that_is_no_json(service_client: httpx.Client, manifest: str) -> None:
    parts = [("manifest", (None, manifest)), ("images", ("a", crop_file(1)))]
    response = service_client.post("/v1/detections:batch", files=parts)
    assert response.status_code == 400
    assert response.json()["type"] == "/problems/malformed-manifest"


@pytest.mark.parametrize("manifest", [{}, {"file": "a"}, "a", None, 7])
def test_a_manifest_that_is_no_array(service_client: httpx.Client, manifest: object) -> None:
    response = send(service_client, manifest, [])
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["manifest"]


def test_a_manifest_that_is_too_long_is_refused_before_it_is_read(service_client: httpx.Client) -> None:
    parts = [("manifest", ("manifest.json", b"[" + b" " * 2**21 + b"]")), ("images", ("a", crop_file(1)))]
    response = service_client.post("/v1/detections:batch", files=parts)
    assert response.status_code == 413
    assert "the manifest has 2097154 bytes" in response.json()["detail"]


def test_a_file_that_no_item_names_is_not_lost_silently(service_client: httpx.Client) -> None:
    response = send(service_client, [item("a", detection_id="stray")], [("a", crop_file(1)), ("b.jpg", crop_file(2))])
    assert response.status_code == 422
    assert "'b.jpg'" in response.json()["detail"]
    assert service_client.get("/v1/detections/stray").status_code == 404


def test_without_a_manifest(service_client: httpx.Client) -> None:
    response = service_client.post("/v1/detections:batch", files=[("images", ("a", crop_file(1)))])
    assert response.status_code == 422
    assert response.json()["errors"] == [{"field": "manifest", "message": "is missing"}]


def test_too_many_items(service_client: httpx.Client) -> None:
    response = send(service_client, [item(str(number)) for number in range(257)], [])
    assert response.status_code == 413
    assert "257 items, at most 256" in response.json()["detail"]
    files = [(str(number), b"x") for number in range(258)]
    assert send(service_client, [item(name) for name, _ in files[:1]], files).status_code == 413


def test_as_many_items_as_may_be(service_client: httpx.Client) -> None:
    manifest = [item(str(number), detection_id="x" * 120 + str(number)) for number in range(256)]
    # What the images are is judged one by one, so that this needs no 256 feature maps.
    results = send(service_client, manifest, [(str(number), b"no image") for number in range(256)]).json()["results"]
    assert [result["status"] for result in results] == [400] * 256
