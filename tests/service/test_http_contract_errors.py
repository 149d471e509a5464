"""Bad input gets the error of the contract, and nothing is stored."""

from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.service.drawn_crops import crop_file, draw_crop, encode

GOOD = {"camera_id": "bad-input", "timestamp": "2026-11-20T10:00:00Z"}


def animated(kind: str) -> bytes:
    return encode(draw_crop(1), kind, save_all=True, append_images=[draw_crop(2)])


def sixteen_bits() -> bytes:
    return encode(Image.fromarray(np.full((80, 40), 40_000, np.uint16)), "PNG")


IMAGES = {
    "a truncated JPEG": (crop_file(1)[:-200], 400),
    "half a JPEG": (crop_file(1)[: len(crop_file(1)) // 2], 400),
    "a truncated PNG": (encode(draw_crop(1), "PNG")[:-40], 400),
    "text": (b"This is a text file named .jpg\n" * 20, 400),
    "nothing": (b"", 400),
    "a GIF": (encode(draw_crop(1), "GIF"), 415),
    "a BMP": (encode(draw_crop(1), "BMP"), 415),
    "a TIFF": (encode(draw_crop(1), "TIFF"), 415),
    "an animated WebP": (animated("WEBP"), 415),
    "an animated PNG": (animated("PNG"), 415),
    "a CMYK JPEG": (encode(draw_crop(1).convert("CMYK")), 415),
    "a 16-bit PNG": (sixteen_bits(), 415),
    "one pixel": (crop_file(1, 1, 1), 422),
    "a narrow strip": (crop_file(1, 7, 80), 422),
    "20,000 × 20,000": (encode(Image.new("L", (20_000, 20_000)), "PNG"), 413),
}


@pytest.fixture(scope="module")
def gallery_before(service_client: httpx.Client) -> dict:
    return service_client.get("/v1/gallery").json()


@pytest.fixture(autouse=True)
def _nothing_is_stored(service_client: httpx.Client, gallery_before: dict) -> object:
    yield
    assert service_client.get("/v1/gallery").json() == gallery_before
    assert service_client.get("/v1/detections", params={"camera_id": "bad-input"}).json()["detections"] == []


@pytest.mark.parametrize("name", IMAGES)
def test_images(service_client: httpx.Client, name: str) -> None:
    content, status = IMAGES[name]
    image = {"image": ("crop.jpg", content, "image/jpeg")}
    refused = {
        "image": [
            service_client.put("/v1/detections/bad", data=GOOD, files=image),
            service_client.post("/v1/detections", data=GOOD, files=image),
            service_client.post("/v1/search", files=image),
        ],
        "query": [service_client.post("/v1/compare", files={"query": content, "gallery": crop_file(1)})],
        "gallery": [service_client.post("/v1/compare", files={"query": crop_file(1), "gallery": content})],
    }
    for field, responses in refused.items():
        for response in responses:
            problem = response.json()
            assert response.status_code == status
            assert problem["errors"] == [{"field": field, "message": problem["detail"]}]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ["camera_id", "timestamp"]),
        ({"camera_id": "c"}, ["timestamp"]),
        ({**GOOD, "timestamp": "9999-01-01T00:00:00Z"}, ["timestamp"]),
        ({**GOOD, "timestamp": "2026-11-20T10:00:00"}, ["timestamp"]),
        ({**GOOD, "timestamp": "nan"}, ["timestamp"]),
        ({**GOOD, "timestamp": "-1"}, ["timestamp"]),
        ({**GOOD, "timestamp": ""}, ["timestamp"]),
        ({**GOOD, "camera_id": "a/b"}, ["camera_id"]),
        ({**GOOD, "camera_id": ""}, ["camera_id"]),
        ({**GOOD, "camera_id": "x" * 129}, ["camera_id"]),
        ({**GOOD, "camera_id": ["bad-input", "bad-input"]}, ["camera_id"]),
        ({**GOOD, "track_id": ""}, ["track_id"]),
        ({**GOOD, "person_id": "p 1"}, ["person_id"]),
        ({**GOOD, "colour": "red"}, ["colour"]),
        ({**GOOD, "detection_id": "d"}, ["detection_id"]),
    ],
)
def test_fields_of_a_detection(service_client: httpx.Client, fields: dict[str, object], wrong: list[str]) -> None:
    response = service_client.put("/v1/detections/bad", data=fields, files={"image": crop_file(1)})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == wrong


@pytest.mark.parametrize("path", ["a%2Fb", "a/b", "a%20b", "x" * 129, "", "%C3%A9", "a%2Fimage%2F.."])
def test_ids_in_the_path(service_client: httpx.Client, path: str) -> None:
    response = service_client.put(f"/v1/detections/{path}", data=GOOD, files={"image": crop_file(1)})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["detection_id"]


def test_parts_of_the_wrong_kind(service_client: httpx.Client) -> None:
    as_text = service_client.put("/v1/detections/bad", data={**GOOD, "image": "text"}, files={"more": b"x"})
    assert {error["field"] for error in as_text.json()["errors"]} == {"image", "more"}
    twice = [("image", crop_file(1)), ("image", crop_file(2))]
    assert service_client.put("/v1/detections/bad", data=GOOD, files=twice).status_code == 422
    as_file = {"image": crop_file(1), "camera_id": b"bad-input", "timestamp": b"1"}
    assert service_client.put("/v1/detections/bad", files=as_file).status_code == 422
    assert service_client.put("/v1/detections/bad", data=GOOD).json()["errors"] == [
        {"field": "image", "message": "is missing"}
    ]


def test_bodies_that_are_no_forms(service_client: httpx.Client) -> None:
    for method, path in (("PUT", "/v1/detections/bad"), ("POST", "/v1/search"), ("POST", "/v1/detections:batch")):
        assert service_client.request(method, path, json={}).status_code == 415
        assert service_client.request(method, path).status_code == 415
        headers = {"Content-Type": "multipart/form-data"}
        assert service_client.request(method, path, content=b"x", headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"limit": "0"}, {"limit"}),
        ({"limit": "1001"}, {"limit"}),
        ({"limit": "ten"}, {"limit"}),
        ({"limit": "10.0"}, {"limit"}),
        ({"limit": "1_0"}, {"limit"}),
        ({"limit": " 5 "}, {"limit"}),
        ({"limit": "٥"}, {"limit"}),
        ({"limit": ""}, {"limit"}),
        ({"alpha": "1_0"}, {"alpha"}),
        ({"alpha": " 0.1"}, {"alpha"}),
        ({"min_similarity": "."}, {"min_similarity"}),
        ({"limit": ["1", "2"]}, {"limit"}),
        ({"group_by": "camera"}, {"group_by"}),
        ({"camera_ids": ["a", "b/c"]}, {"camera_ids.1"}),
        ({"time_from": "yesterday"}, {"time_from"}),
        ({"time_from": "10", "time_to": "10"}, {"time_to"}),
        ({"min_score": "nan"}, {"min_score"}),
        ({"min_score": "high"}, {"min_score"}),
        ({"temporal_lifting": "maybe"}, {"temporal_lifting"}),
        ({"temporal_lifting": "on"}, {"camera_id", "timestamp"}),
        ({"temporal_lifting": "on", "camera_id": "c"}, {"timestamp"}),
        ({"tau_seconds": "0"}, {"tau_seconds"}),
        ({"tau_seconds": "inf"}, {"tau_seconds"}),
        ({"sigma_seconds": "-1"}, {"sigma_seconds"}),
        ({"num_pivots": "0"}, {"num_pivots"}),
        ({"alpha": "-0.1"}, {"alpha"}),
        ({"rerank": "perhaps"}, {"rerank"}),
        ({"num_correspondences": "-1"}, {"num_correspondences"}),
        ({"num_correspondences": "1001"}, {"num_correspondences"}),
        ({"min_similarity": "1.5"}, {"min_similarity"}),
        ({"include_pivots": "2"}, {"include_pivots"}),
        ({"colour": "red", "size": "1"}, {"colour", "size"}),
        ({"detection_id": "both"}, {"image", "detection_id"}),
    ],
)
def test_fields_of_a_search(service_client: httpx.Client, fields: dict[str, object], wrong: set[str]) -> None:
    response = service_client.post("/v1/search", data=fields, files={"image": crop_file(1)})
    assert response.status_code == 422, response.text
    assert {error["field"] for error in response.json()["errors"]} == wrong


def test_a_search_for_nothing(service_client: httpx.Client) -> None:
    assert service_client.post("/v1/search", data={"limit": "5"}).status_code == 422
    response = service_client.post("/v1/search", data={"detection_id": "no-such-one"})
    assert response.status_code == 404
    assert response.json()["type"] == "/problems/detection-not-found"


def test_values_that_may_come_are_not_refused(service_client: httpx.Client) -> None:
    fields = {"rerank": "true", "temporal_lifting": "bootstrap", "limit": "1000", "num_correspondences": "1000"}
    fields |= {"alpha": "1e-1", "tau_seconds": "100.", "sigma_seconds": ".5", "min_similarity": "-1", "min_score": "0"}
    assert service_client.post("/v1/search", data=fields, files={"image": crop_file(1)}).status_code == 200


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1_0", "limit"),
        ("limit=10.0", "limit"),
        ("limit=1&limit=2", "limit"),
        ("camera_id=a/b", "camera_id"),
        ("time_from=2026-11-20T10:00:00+01:00", "time_from"),
        ("time_from=2&time_to=1", "time_to"),
        ("cursor=nonsense", "cursor"),
        ("colour=red", "colour"),
    ],
)
def test_parameters_of_the_list(service_client: httpx.Client, query: str, wrong: str) -> None:
    response = service_client.get(f"/v1/detections?{query}")
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [wrong]


@pytest.mark.parametrize(
    "path", ["/v1/model", "/v1/gallery", "/livez", "/readyz", "/metrics", "/v1/detections/x", "/v1/detections/x/image"]
)
def test_a_parameter_is_never_ignored(service_client: httpx.Client, path: str) -> None:
    response = service_client.get(f"{path}?verbose=1")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "verbose"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 422),
        (b'{"camera_id": null}', 422),
        (b'{"camera": "c"}', 422),
        (b'{"camera_id": 7}', 422),
        (b'{"camera_id": ["a"]}', 422),
        (b'{"time_from": true}', 422),
        (b'{"time_from": 5, "time_to": 5}', 422),
        (b'{"time_from": 1e99999}', 422),
        (b"[]", 422),
        (b"null", 422),
        (b"", 400),
        (b"{", 400),
        (b'{"time_from": NaN}', 400),
        (b'{"camera_id": "a", "camera_id": "b"}', 400),
        (b"\xff\xfe", 400),
        (b"[" * 60_000, 400),
        (b'{"camera_id": "a"}' + b" " * 2**16, 413),
    ],
)
def test_filters_of_an_erasure(service_client: httpx.Client, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    response = service_client.post("/v1/detections:erase", content=body, headers=headers)
    assert response.status_code == status, response.text


def test_a_foreign_page_cannot_post_an_erasure(service_client: httpx.Client) -> None:
    # Browsers send these without asking the service first.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        headers = {"Content-Type": kind}
        response = service_client.post("/v1/detections:erase", content=b'{"time_from": 0}', headers=headers)
        assert response.status_code == 415


def test_paths_and_methods_that_are_not_there(service_client: httpx.Client) -> None:
    for path in ("/", "/v1", "/v2/search", "/v1/search/", "/docs/x"):
        assert service_client.get(path).status_code in (404, 405)
    response = service_client.post("/v1/detections/x")
    assert (response.status_code, response.headers["allow"]) == (405, "DELETE, GET, HEAD, PUT")
    assert service_client.get("/v1/search").headers["allow"] == "POST"


def test_a_body_over_the_limit(service_client: httpx.Client) -> None:
    content = BytesIO(bytes(64 * 2**20))
    response = service_client.put("/v1/detections/bad", data=GOOD, files={"image": content})
    assert response.status_code == 413
    assert str(64 * 2**20) in response.json()["detail"]
