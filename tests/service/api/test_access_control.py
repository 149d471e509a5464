from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request

from service.access.key_ring import KeyRing
from service.access.scope import Scope
from service.api.access_control import AccessControlMiddleware
from tests.service.made_keys import add_key, bearer

pytestmark = pytest.mark.anyio


class Clock:
    """A time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def read_seconds(self) -> float:
        return self.seconds

    def read_time(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds)


class Guarded:
    """An application behind the middleware, that tells who calls; it counts how much of a body was read."""

    def __init__(self, key_ring: KeyRing | None) -> None:
        self.clock = Clock()
        self.pieces_sent = 0
        application = FastAPI()
        for path in ("/livez", "/readyz", "/who", "/livez/"):
            application.add_api_route(path, self._tell, methods=["GET", "POST", "HEAD"])
        application.add_middleware(
            AccessControlMiddleware,
            key_ring=key_ring,
            read_clock_seconds=self.clock.read_seconds,
            read_time=self.clock.read_time,
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://127.0.0.1")

    async def _tell(self, request: Request) -> dict[str, object]:
        caller = request.state.caller
        scopes = None if caller.scopes is None else sorted(caller.scopes)
        return {"id": caller.key_id, "name": caller.key_name, "scopes": scopes, "address": caller.address}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


async def test_who_calls_is_told_to_what_is_inside(key_file: Path) -> None:
    key = add_key(key_file, Scope.READ, Scope.SEARCH, name="north")
    client = Guarded(KeyRing.open(key_file)).client
    answer = (await client.get("/who", headers=bearer(key))).json()
    assert answer == {"id": key.split("_")[1], "name": "north", "scopes": ["read", "search"], "address": "127.0.0.1"}
    lower = await client.get("/who", headers={"Authorization": f"bearer  {key}"})
    assert lower.status_code == 200


async def test_without_keys_everybody_may_do_everything() -> None:
    answer = (await Guarded(None).client.get("/who", headers={"Authorization": "Bearer nonsense"})).json()
    assert answer == {"id": None, "name": None, "scopes": None, "address": "127.0.0.1"}


async def test_what_is_open_is_open_to_nobody_in_particular(key_file: Path) -> None:
    add_key(key_file, Scope.READ)
    client = Guarded(KeyRing.open(key_file)).client
    for path in ("/livez", "/readyz"):
        answer = await client.get(path)
        assert answer.json() == {"id": None, "name": None, "scopes": [], "address": "127.0.0.1"}
        assert (await client.head(path)).status_code == 200
        assert (await client.post(path)).status_code == 401
    for path in ("/livez/", "/LIVEZ", "//livez", "/livez/../who", "/readyz%00", "/"):
        assert (await client.get(path)).status_code == 401, path


@pytest.mark.parametrize("path", ["/who", "/nothing", "/", "/docs", "/openapi.json", "/v1/detections"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "DANCE"])
async def test_nobody_learns_what_there_is(key_file: Path, path: str, method: str) -> None:
    add_key(key_file, Scope.READ)
    client = Guarded(KeyRing.open(key_file)).client
    response = await client.request(method, path)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="qaconv"'
    assert response.headers["content-type"] == "application/problem+json"
    assert method == "HEAD" or response.json()["type"] == "/problems/unauthenticated"


async def test_what_is_no_key_of_the_service(key_file: Path) -> None:
    key = add_key(key_file, Scope.READ)
    client = Guarded(KeyRing.open(key_file)).client
    wrong = [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {key}",
        key,
        f"Bearer {key}x",
        f"Bearer {key} {key}",
        "Bearer " + "x" * 9999,
    ]
    for value in wrong:
        response = await client.get("/who", headers={"Authorization": value})
        assert response.status_code == 401, value
        assert response.headers["www-authenticate"] == 'Bearer realm="qaconv", error="invalid_token"'
        assert key not in response.text
    twice = await client.get("/who", headers=[("Authorization", f"Bearer {key}")] * 2)
    assert twice.status_code == 401
    elsewhere = await client.get("/who", params={"key": key, "access_token": key}, headers={"Cookie": f"key={key}"})
    assert elsewhere.status_code == 401


async def test_an_expired_key(key_file: Path) -> None:
    key = add_key(key_file, Scope.READ, expires_in=timedelta(minutes=1))
    guarded = Guarded(KeyRing.open(key_file))
    assert (await guarded.client.get("/who", headers=bearer(key))).status_code == 200
    guarded.clock.seconds = 61
    expired = await guarded.client.get("/who", headers=bearer(key))
    assert expired.status_code == 401
    assert "has expired" in expired.json()["detail"]


async def test_a_key_above_its_rate(key_file: Path) -> None:
    key = add_key(key_file, Scope.READ, requests_per_minute=4)
    other = add_key(key_file, Scope.READ)
    guarded = Guarded(KeyRing.open(key_file))
    client = guarded.client
    assert [(await client.get("/who", headers=bearer(key))).status_code for _ in range(4)] == [200] * 4
    guarded.clock.seconds = 4.5
    refused = await client.get("/who", headers=bearer(key))
    assert refused.status_code == 429
    assert refused.json()["type"] == "/problems/rate-limited"
    assert "4 requests a minute" in refused.json()["detail"]
    # A request each fifteen seconds, of which 4.5 have passed; in whole seconds, and not too early.
    assert refused.headers["retry-after"] == "11"
    assert (await client.get("/who", headers=bearer(other))).status_code == 200
    assert (await client.get("/livez")).status_code == 200
    guarded.clock.seconds = 4.5 + 11
    assert (await client.get("/who", headers=bearer(key))).status_code == 200


@pytest.mark.parametrize("length", [None, "65537", "10" * 30, "-1", "many"])
async def test_a_body_that_is_not_wanted_closes_the_connection(key_file: Path, length: str | None) -> None:
    add_key(key_file, Scope.READ)
    client = Guarded(KeyRing.open(key_file)).client
    sent = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": length}
    response = await client.send(httpx.Request("POST", "http://127.0.0.1/who", headers=sent))
    assert (response.status_code, response.headers["connection"]) == (401, "close")


async def test_a_small_body_leaves_the_connection(key_file: Path) -> None:
    add_key(key_file, Scope.READ)
    response = await Guarded(KeyRing.open(key_file)).client.post("/who", content=b"x" * 65536)
    assert response.status_code == 401
    assert "connection" not in response.headers
