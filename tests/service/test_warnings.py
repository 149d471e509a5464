"""What is answered although it is probably not meant, and bodies that are refused by name."""

import gzip
import json

import httpx
import pytest

from tests.service.drawn_crops import crop_file
from tests.service.stored_crops import START_US

FIELDS = {"camera_id": "warned", "timestamp": str(START_US // 10**6)}


@pytest.mark.parametrize(("size", "codes"), [((40, 80), []), ((80, 40), ["picture_is_no_crop"])])
def test_a_picture_that_is_no_crop(service_client: httpx.Client, size: tuple[int, int], codes: list[str]) -> None:
    crop = crop_file(1, *size)
    manifest = json.dumps([{"file": "a", **FIELDS}])
    answers = [
        service_client.put("/v1/detections/warned", data=FIELDS, files={"image": crop}).json(),
        service_client.post("/v1/detections", data=FIELDS, files={"image": crop}).json(),
        service_client.post(
            "/v1/detections:batch", data={"manifest": manifest}, files=[("images", ("a", crop))]
        ).json()["results"][0],
        service_client.post("/v1/search", files={"image": crop}).json(),
        service_client.post("/v1/search", data={"detection_id": "warned"}).json(),
    ]
    for answer in answers:
        assert [warning["code"] for warning in answer["warnings"]] == codes
        assert all("80×40 pixels" in warning["detail"] for warning in answer["warnings"])


def test_a_camera_in_a_filter_that_has_no_detections(service_client: httpx.Client) -> None:
    service_client.put("/v1/detections/here", data=FIELDS | {"camera_id": "gate-1"}, files={"image": crop_file(1)})
    crop = {"image": crop_file(1)}
    for fields in ({"camera_ids": "gate-I"}, {"exclude_camera_ids": ["gate-1", "gate-I"]}):
        answer = service_client.post("/v1/search", data=fields, files=crop)
        assert answer.status_code == 200
        (warning,) = answer.json()["warnings"]
        assert warning["code"] == "unknown_camera"
        assert "without detections: gate-I. Those with some: " in warning["detail"]
        assert "gate-1" in warning["detail"].partition("Those with some")[2]
    known = service_client.post("/v1/search", data={"camera_ids": "gate-1"}, files=crop)
    assert known.json()["warnings"] == []


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
@pytest.mark.parametrize("path", ["/v1/search", "/v1/detections:erase", "/v1/detections"])
def test_a_packed_body_is_refused_by_name(service_client: httpx.Client, encoding: str, path: str) -> None:
    body, headers = gzip.compress(b"{}"), {"Content-Encoding": encoding, "Content-Type": "application/json"}
    answer = service_client.post(path, content=body, headers=headers)
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
    assert f"Content-Encoding is '{encoding}'" in answer.json()["detail"]
    plain = service_client.post(path, content=b"{}", headers=headers | {"Content-Encoding": "identity"})
    assert "Content-Encoding" not in plain.text


@pytest.mark.parametrize("size", [100, 1_000_000])
def test_an_image_part_without_a_file_name(service_client: httpx.Client, size: int) -> None:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in FIELDS.items()
    ]
    head = '--b\r\nContent-Disposition: form-data; name="image"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = "".join(parts).encode() + head.encode() + bytes(size) + b"\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = service_client.put("/v1/detections/nameless", content=body, headers=headers)
    assert answer.status_code in (413, 422)
    assert "file name" in answer.text
    assert 'filename=\\"crop.jpg\\"' in answer.text
