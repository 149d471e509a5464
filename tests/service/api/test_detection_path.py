"""Which paths mean a detection, and which a part of one."""

import httpx
import pytest


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH"])
@pytest.mark.parametrize("part", ["image", "feature_map"])
def test_the_parts_of_a_detection_are_only_read(service_client: httpx.Client, method: str, part: str) -> None:
    response = service_client.request(method, f"/v1/detections/d/{part}")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("detection_id", ["a/b", "image/a", "a/images", "a//", "feature_map/", "/image/x"])
def test_an_id_with_a_slash_is_refused_as_an_id(service_client: httpx.Client, detection_id: str) -> None:
    response = service_client.get(f"/v1/detections/{detection_id}")
    assert response.status_code == 422
    assert "is not an ID" in response.json()["detail"]


def test_image_is_a_good_id(service_client: httpx.Client) -> None:
    assert service_client.get("/v1/detections/image").status_code == 404
    assert "there is no detection 'image'" in service_client.get("/v1/detections/image").json()["detail"]
