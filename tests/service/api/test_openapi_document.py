import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from service.api.application import create_application
from service.settings import Settings

CALLS = {
    ("put", "/v1/detections/{detection_id}"),
    ("post", "/v1/detections"),
    ("post", "/v1/detections:batch"),
    ("get", "/v1/detections/{detection_id}"),
    ("get", "/v1/detections/{detection_id}/image"),
    ("get", "/v1/detections/{detection_id}/feature_map"),
    ("get", "/v1/detections"),
    ("delete", "/v1/detections/{detection_id}"),
    ("post", "/v1/detections:erase"),
    ("get", "/v1/erasures/{receipt_id}"),
    ("post", "/v1/search"),
    ("post", "/v1/compare"),
    ("get", "/v1/model"),
    ("get", "/v1/gallery"),
    ("get", "/v1/clock"),
    ("post", "/v1/clock:confirm"),
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}
SEARCH_DEFAULTS = {
    "limit": 10,
    "group_by": "detection",
    "temporal_lifting": "auto",
    "tau_seconds": 100,
    "sigma_seconds": 100,
    "num_pivots": 100,
    "alpha": 0.1,
    "rerank": False,
    "num_correspondences": 20,
    "min_similarity": 0.5,
    "include_pivots": False,
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_application(Settings()).openapi()


def calls(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            yield method, path, call


def test_every_call_of_the_contract_is_there_and_no_other(document: dict[str, Any]) -> None:
    assert {(method, path) for method, path, _ in calls(document)} == CALLS


def test_every_error_is_a_problem_document(document: dict[str, Any]) -> None:
    for method, path, call in calls(document):
        errors = {status: answer for status, answer in call["responses"].items() if int(status) >= 400}
        assert {"413", "422", "500", "503"} <= set(errors), (method, path)
        assert "403" in errors
        has_key = path not in ("/livez", "/readyz")
        assert ("401" in errors, "429" in errors) == (has_key, has_key), (method, path)
        for answer in errors.values():
            assert list(answer["content"]) == ["application/problem+json"]
            assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
        assert all("Retry-After" in errors[status]["headers"] for status in {"429", "503"} & set(errors))


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("put", "/v1/detections/{detection_id}", "200 201 400 401 403 413 415 422 429 500 503 507"),
        ("post", "/v1/detections", "201 400 401 403 413 415 422 429 500 503 507"),
        ("post", "/v1/detections:batch", "200 400 401 403 413 415 422 429 500 503"),
        ("delete", "/v1/detections/{detection_id}", "204 400 401 403 404 413 422 429 500 503"),
        ("post", "/v1/search", "200 400 401 403 404 409 413 415 422 429 500 503 507"),
        ("post", "/v1/compare", "200 400 401 403 413 415 422 429 500 503 507"),
        ("get", "/readyz", "200 400 403 413 422 500 503"),
    ],
)
def test_which_answers_a_call_has(document: dict[str, Any], method: str, path: str, statuses: str) -> None:
    assert " ".join(sorted(document["paths"][path][method]["responses"])) == statuses


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert names <= set(document["components"]["schemas"])
    assert not re.search("HTTPValidationError", json.dumps(document))


def test_the_fields_of_a_search_have_the_contracts_defaults(document: dict[str, Any]) -> None:
    form = document["components"]["schemas"]["SearchForm"]
    assert form["additionalProperties"] is False
    defaults = {name: about.get("default") for name, about in form["properties"].items()}
    assert {name: defaults[name] for name in SEARCH_DEFAULTS} == SEARCH_DEFAULTS
    others = {"image", "detection_id", "camera_id", "timestamp", "camera_ids", "exclude_camera_ids"}
    assert set(defaults) == set(SEARCH_DEFAULTS) | others | {"time_from", "time_to", "min_score"}


def test_calls_with_a_body_declare_it(document: dict[str, Any]) -> None:
    bodies = {path: call["requestBody"] for method, path, call in calls(document) if method in ("put", "post")}
    assert len(bodies) == 7
    assert all(body["required"] for body in bodies.values())
    assert list(bodies["/v1/detections:erase"]["content"]) == ["application/json"]
    assert list(bodies["/v1/detections:batch"]["content"]) == ["multipart/form-data"]


def test_operations_have_plain_names(document: dict[str, Any]) -> None:
    names = [call["operationId"] for _, _, call in calls(document)]
    assert len(set(names)) == len(CALLS)
    assert {"put_detection", "post_search", "get_readiness"} <= set(names)
