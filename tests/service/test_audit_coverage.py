"""Every call of the service, and what it leaves on the audit record: a call that is not listed here fails the test."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from service.settings import Settings
from tests.service.drawn_crops import crop_file
from tests.service.running_application import RunningApplication, run_application
from tests.service.storage.audit_writing import read_record

pytestmark = pytest.mark.anyio

FIELDS = {"camera_id": "c", "timestamp": "1790000000"}
MANIFEST = [{"file": "1", "detection_id": "a", "camera_id": "c", "timestamp": 1_790_000_000}]


@dataclass(frozen=True, slots=True)
class Call:
    """A request, and the events that it leaves. The gallery holds the detections a and b; 2 is another picture."""

    method: str
    path: str
    events: tuple[str, ...] = ()
    request: Mapping[str, Any] = field(default_factory=dict)


CALLS = [
    # What is handed out of persons.
    Call("GET", "/v1/detections", ("list",)),
    Call("GET", "/v1/detections?person_id=p&limit=1", ("list",)),
    Call("GET", "/v1/detections/a", ("fetch",)),
    Call("GET", "/v1/detections/a/image", ("fetch",)),
    Call("GET", "/v1/detections/a/feature_map", ("fetch",)),
    Call("POST", "/v1/search", ("search",), {"files": {"image": crop_file(1)}}),
    Call("POST", "/v1/search", ("search",), {"data": {"detection_id": "a"}}),
    Call("POST", "/v1/search", ("search",), {"data": {"detection_id": "nobody"}}),
    Call("POST", "/v1/compare", ("compare",), {"files": {"query": crop_file(1), "gallery": crop_file(2)}}),
    # What changes what is stored. New detections and the same ones again are no news; others in their place are.
    Call("PUT", "/v1/detections/new", (), {"data": FIELDS, "files": {"image": crop_file(1)}}),
    Call("PUT", "/v1/detections/a", (), {"data": FIELDS, "files": {"image": crop_file(1)}}),
    Call("PUT", "/v1/detections/a", ("replace",), {"data": FIELDS, "files": {"image": crop_file(2)}}),
    Call("POST", "/v1/detections", (), {"data": FIELDS, "files": {"image": crop_file(1)}}),
    Call(
        "POST",
        "/v1/detections:batch",
        ("replace",),
        {"data": {"manifest": json.dumps(MANIFEST)}, "files": [("images", ("1", crop_file(2)))]},
    ),
    Call("DELETE", "/v1/detections/a", ("erase_requested", "erased")),
    Call("POST", "/v1/detections:erase", ("erase_requested", "erased"), {"json": {"camera_id": "c"}}),
    Call("POST", "/v1/clock:confirm", ("clock_confirmed",), {"json": {"time": time.time()}}),
    # What tells nothing of a person.
    Call("GET", "/v1/clock"),
    Call("GET", "/v1/erasures/none"),
    Call("GET", "/v1/model"),
    Call("GET", "/v1/gallery"),
    Call("GET", "/livez"),
    Call("GET", "/readyz"),
    Call("GET", "/metrics"),
    Call("GET", "/docs"),
    Call("GET", "/openapi.json"),
]


@pytest.fixture
async def running(settings: Settings) -> AsyncIterator[RunningApplication]:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        for detection_id in ("a", "b"):
            assert (await running.put(detection_id)).status_code == 201
        yield running


def on_record(running: RunningApplication) -> list[str]:
    return [entry["event"] for entry in read_record(running.components.settings.data_dir)]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path} {','.join(call.events)}")
async def test_what_a_call_leaves_on_record(running: RunningApplication, call: Call) -> None:
    before = len(on_record(running))
    answer = await running.client.request(call.method, call.path, **call.request)
    assert answer.status_code < 500
    assert on_record(running)[before:] == list(call.events)


async def test_no_call_is_left_out(running: RunningApplication) -> None:
    """Of all routes and their methods; HEAD is GET without the body."""
    asked = {_route_of(running, call) for call in CALLS}
    there = {
        (method, route.path)
        for route in iter_route_contexts(running.application.routes)
        for method in route.methods
        if method != "HEAD"
    }
    assert asked == there


def _route_of(running: RunningApplication, call: Call) -> tuple[str, str]:
    scope = {"type": "http", "method": call.method, "path": httpx.URL(call.path).path, "root_path": ""}
    for route in iter_route_contexts(running.application.routes):
        if route.matches(scope)[0].name == "FULL":
            return call.method, route.path
    raise AssertionError(f"there is no route for {call.method} {call.path}")
