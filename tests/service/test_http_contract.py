"""The calls about detections, and about the service itself, over HTTP."""

import re
import time
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from uuid import UUID

import httpx
import numpy as np
import pytest

from tests.service.conftest import TINY
from tests.service.drawn_crops import crop_file, draw_crop, encode
from tests.service.running_service import RunningService

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def put(client: httpx.Client, detection_id: str, seed: int = 1, **fields: str) -> httpx.Response:
    data = {"camera_id": "contract", "timestamp": "2026-11-20T10:00:00Z", **fields}
    return client.put(f"/v1/detections/{detection_id}", data=data, files={"image": crop_file(seed)})


def test_put_answers_the_detection(service_client: httpx.Client) -> None:
    response = put(service_client, "put:1", track_id="t-1", person_id="p.1", timestamp="2026-11-20T12:00:00.5+02:00")
    assert response.status_code == 201
    answer = response.json()
    model = service_client.get("/v1/model").json()
    assert MOMENT.fullmatch(answer.pop("created_at"))
    assert answer == {
        "detection_id": "put:1",
        "camera_id": "contract",
        "timestamp": "2026-11-20T10:00:00.500000Z",
        "track_id": "t-1",
        "person_id": "p.1",
        "image": {"width": 40, "height": 80},
        "model_fingerprint": model["fingerprint"],
        "warnings": [],
    }


def test_put_again_replaces(service_client: httpx.Client) -> None:
    assert put(service_client, "again", seed=1, track_id="old").status_code == 201
    assert put(service_client, "again", seed=1, track_id="old").status_code == 200
    response = put(service_client, "again", seed=2, timestamp="7.000001")
    assert response.status_code == 200
    found = service_client.get("/v1/detections/again").json()
    assert {**found, "warnings": []} == response.json()
    assert (found["track_id"], found["timestamp"]) == (None, "1970-01-01T00:00:07.000001Z")
    assert service_client.get("/v1/detections/again/image").content == crop_file(2)


@pytest.mark.parametrize("detection_id", ["a", "x" * 128, "A.b_c:d-9", "..", "erase", "image"])
def test_ids_of_the_whole_alphabet(service_client: httpx.Client, detection_id: str) -> None:
    # The path is written so that no client tidies "..".
    path = f"/v1/detections/{detection_id.replace('.', '%2E')}"
    data = {"camera_id": "ids", "timestamp": "1"}
    assert service_client.put(path, data=data, files={"image": crop_file(1)}).status_code == 201
    assert service_client.get(path).json()["detection_id"] == detection_id
    assert service_client.delete(path).status_code == 204


def test_post_makes_a_time_ordered_id(service_client: httpx.Client) -> None:
    data = {"camera_id": "post", "timestamp": "1790000000"}
    responses = [service_client.post("/v1/detections", data=data, files={"image": crop_file(1)}) for _ in range(3)]
    ids = [response.json()["detection_id"] for response in responses]
    assert [response.status_code for response in responses] == [201] * 3
    assert all(UUID(made).version == 7 for made in ids)
    assert all(first[:8] <= second[:8] for first, second in pairwise(ids))
    assert len(set(ids)) == 3
    for response, made in zip(responses, ids, strict=True):
        assert response.headers["location"] == f"/v1/detections/{made}"
        found = service_client.get(response.headers["location"]).json()
        assert {**found, "warnings": []} == response.json()


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_the_crop_comes_back_as_it_was_sent(service_client: httpx.Client, kind: str, media_type: str) -> None:
    content = encode(draw_crop(5), kind)
    data = {"camera_id": "crops", "timestamp": "1"}
    service_client.put(f"/v1/detections/crop-{kind}", data=data, files={"image": content})
    response = service_client.get(f"/v1/detections/crop-{kind}/image")
    assert response.content == content
    assert response.headers["content-type"] == media_type
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_feature_map_is_a_npy_file(service_client: httpx.Client) -> None:
    put(service_client, "map")
    response = service_client.get("/v1/detections/map/feature_map")
    feature_map = np.load(BytesIO(response.content), allow_pickle=False)
    assert feature_map.dtype == np.float16
    assert feature_map.shape == (TINY.channels, TINY.map_height, TINY.map_width)
    norms = np.linalg.norm(feature_map.astype(np.float64), axis=0)
    assert norms == pytest.approx(np.ones_like(norms), abs=2e-3)


def test_the_list_is_ordered_and_in_pages(service_client: httpx.Client) -> None:
    times = {"list-c": "30", "list-a": "20", "list-b": "20", "list-d": "10"}
    for detection_id, timestamp in times.items():
        put(service_client, detection_id, camera_id="list", timestamp=timestamp)
    expected = ["list-d", "list-a", "list-b", "list-c"]
    whole = service_client.get("/v1/detections", params={"camera_id": "list"}).json()
    assert [found["detection_id"] for found in whole["detections"]] == expected
    assert whole["next_cursor"] is None
    assert whole["detections"][0] == service_client.get("/v1/detections/list-d").json()
    found, cursor = [], None
    for _ in range(4):
        params = {"camera_id": "list", "limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = service_client.get("/v1/detections", params=params).json()
        found += [detection["detection_id"] for detection in page["detections"]]
        cursor = page["next_cursor"]
    assert (found, cursor) == (expected, None)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"track_id": "t1"}, ["filter-1", "filter-2"]),
        ({"person_id": "p1"}, ["filter-2", "filter-3"]),
        ({"track_id": "t1", "person_id": "p1"}, ["filter-2"]),
        ({"time_from": "1970-01-01T00:00:02Z"}, ["filter-2", "filter-3"]),
        ({"time_from": "1", "time_to": "3"}, ["filter-1", "filter-2"]),
        ({"time_to": "0.5"}, []),
    ],
)
def test_the_list_is_filtered(service_client: httpx.Client, params: dict[str, str], expected: list[str]) -> None:
    for number, labels in enumerate(
        [{"track_id": "t1"}, {"track_id": "t1", "person_id": "p1"}, {"person_id": "p1"}], 1
    ):
        put(service_client, f"filter-{number}", camera_id="filter", timestamp=str(number), **labels)
    page = service_client.get("/v1/detections", params={"camera_id": "filter", **params}).json()
    assert [found["detection_id"] for found in page["detections"]] == expected


def test_what_is_deleted_is_gone_everywhere(service_client: httpx.Client) -> None:
    put(service_client, "gone", camera_id="gone")
    assert service_client.delete("/v1/detections/gone").status_code == 204
    for path in ("gone", "gone/image", "gone/feature_map"):
        response = service_client.get(f"/v1/detections/{path}")
        assert response.status_code == 404
        assert "'gone'" in response.json()["detail"]
    assert service_client.delete("/v1/detections/gone").status_code == 404
    assert service_client.get("/v1/detections", params={"camera_id": "gone"}).json()["detections"] == []
    search = service_client.post("/v1/search", data={"camera_ids": "gone"}, files={"image": crop_file(1)}).json()
    assert (search["matches"], search["gallery"]["candidates"]) == ([], 0)
    assert put(service_client, "gone", camera_id="gone").status_code == 201


def test_erase_takes_what_matches_and_nothing_else(service_client: httpx.Client) -> None:
    for number in range(4):
        put(service_client, f"erase-{number}", camera_id="erase", timestamp=str(number), track_id=f"t{number % 2}")
    filters = {"camera_id": "erase", "track_id": "t1", "time_from": 0, "time_to": "1970-01-01T00:00:02.5Z"}
    assert service_client.post("/v1/detections:erase", json=filters).json()["erased"] == 1
    assert service_client.post("/v1/detections:erase", json=filters).json()["erased"] == 0
    page = service_client.get("/v1/detections", params={"camera_id": "erase"}).json()
    assert [found["detection_id"] for found in page["detections"]] == ["erase-0", "erase-2", "erase-3"]
    assert service_client.post("/v1/detections:erase", json={"camera_id": "erase"}).json()["erased"] == 3


def test_the_model_says_what_it_is(service_client: httpx.Client) -> None:
    model = service_client.get("/v1/model").json()
    assert re.fullmatch("[0-9a-f]{64}", model["fingerprint"])
    assert model["name"] == "tiny"
    assert model["input"] == {"height": 64, "width": 32}
    assert model["feature_map"] == {"channels": 16, "height": 8, "width": 4}
    assert model["backbone"] == {"name": "resnet18", "final_layer": "layer2"}
    assert model["matcher"] == {"name": "query_adaptive_convolution", "kernel_size": 1, "shared_head": False}
    assert (model["training"], model["accuracy"]) == ({}, {})


def test_the_gallery_counts_its_cameras(service_client: httpx.Client) -> None:
    before = service_client.get("/v1/gallery").json()
    for number, timestamp in enumerate(("5", "3", "4.25")):
        put(service_client, f"count-{number}", camera_id="count", timestamp=timestamp)
    gallery = service_client.get("/v1/gallery").json()
    assert gallery["size"] == before["size"] + 3
    assert gallery["size"] <= gallery["capacity"]
    assert (gallery["device"], gallery["other_model"]) == ("cpu", 0)
    # 8 × 4 locations, 16 channels, in whichever form is the fastest on this machine.
    form = gallery["precision"], gallery["exact_maps"], gallery["bytes_per_detection"]
    assert form in {("float16", None, 8 * 4 * 16 * 2), ("int8", "device", 8 * 4 * 16 * 3 + 52)}
    assert [camera for camera in gallery["cameras"] if camera["camera_id"] == "count"] == [
        {
            "camera_id": "count",
            "count": 3,
            "first_timestamp": "1970-01-01T00:00:03.000000Z",
            "last_timestamp": "1970-01-01T00:00:05.000000Z",
        }
    ]


def test_the_service_lives_and_is_ready(service_client: httpx.Client) -> None:
    assert service_client.get("/livez").json() == {"status": "alive"}
    assert service_client.get("/readyz").json() == {"status": "ready"}


def test_metrics_count_requests_by_route(service_client: httpx.Client) -> None:
    service_client.get("/v1/detections/no-such-one")
    service_client.get("/no/such/path")
    text = service_client.get("/metrics").text
    series = "qaconv_http_request_duration_seconds_count"
    assert f'{series}{{method="GET",route="/v1/detections/{{detection_id}}",status="404"}}' in text
    assert f'{series}{{method="GET",route="unmatched",status="404"}}' in text
    assert "no-such-one" not in text
    assert "qaconv_http_requests_in_flight 1.0" in text
    size = service_client.get("/v1/gallery").json()["size"]
    assert re.search(rf"^qaconv_gallery_detections {size}\.0$", text, re.MULTILINE)


def test_the_documentation_needs_nothing_from_elsewhere(service_client: httpx.Client) -> None:
    page = service_client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in ("/v1/detections:batch", "/v1/search", "/readyz", "tau_seconds"):
        assert path in page.text
    assert not re.search(r"<script|src=|https?://", page.text)


def test_request_ids_are_answered_and_logged(service_client: httpx.Client, running_service: RunningService) -> None:
    response = service_client.get("/v1/gallery", headers={"X-Request-Id": "my:request-7"})
    assert response.headers["x-request-id"] == "my:request-7"
    line = re.compile(r'"GET /v1/gallery 200", "request_id": "my:request-7", "trace_id": "[0-9a-f]{32}"')
    # The line is written when the answer is complete, so that the client may have it first.
    deadline = time.monotonic() + 5
    while not line.search(running_service.log):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_times_of_creation_are_now(service_client: httpx.Client) -> None:
    created = datetime.fromisoformat(put(service_client, "created").json()["created_at"])
    assert abs((datetime.now(UTC) - created).total_seconds()) < 60
