import httpx
import pytest
from fastapi import FastAPI

from service.api.browser_guard import BrowserGuardMiddleware

pytestmark = pytest.mark.anyio
CONSOLE = "https://console.example"


async def answer() -> str:
    return "answered"


def guarded(*allowed_origins: str, allowed_hosts: tuple[str, ...] | None = ()) -> httpx.AsyncClient:
    application = FastAPI()
    application.add_api_route("/", answer, methods=["GET", "POST", "OPTIONS"])
    application.add_middleware(BrowserGuardMiddleware, allowed_origins=allowed_origins, allowed_hosts=allowed_hosts)
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://127.0.0.1:8000")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:8000", "LocalHost", "[::1]:8000", "[::1]", "127.1.2.3:1"]
)
async def test_loopback_names_are_answered(host: str) -> None:
    assert (await guarded().get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.5:8000",
        "0.0.0.0:8000",
        "[::]:8000",
        "",
        ":8000",
        "evil.example@127.0.0.1",
        "127.0.0.1@evil.example",
    ],
)
async def test_a_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    response = await guarded().get("/", headers={"Host": host})
    assert response.status_code == 403
    assert response.json()["type"] == "/problems/forbidden"
    assert "--allow-remote-without-keys" in response.json()["detail"]
    assert (await guarded(allowed_hosts=None).get("/", headers={"Host": host})).status_code == 200


async def test_names_that_are_allowed_are_answered_besides_those_of_loopback() -> None:
    client = guarded(allowed_hosts=("qaconv", "Gallery.example"))
    for host in ("qaconv:8000", "QACONV", "gallery.example", "[fd00::1]:8000", "10.0.0.7:8000", "localhost"):
        assert (await client.get("/", headers={"Host": host})).status_code == 200
    for host in ("evil.example:8000", "qaconv.evil.example", ""):
        assert (await client.get("/", headers={"Host": host})).status_code == 403


async def test_every_host_of_a_request_counts() -> None:
    twice = [("Host", "127.0.0.1:8000"), ("Host", "evil.example")]
    assert (await guarded().get("/", headers=twice)).status_code == 403


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://127.0.0.1",
        "http://127.0.0.1:8001",
        "http://localhost:8000",
        "http://127.0.0.1:8000.evil.example",
        "http://127.0.0.1:8000/",
        "file://",
        "127.0.0.1:8000",
        CONSOLE,
    ],
)
async def test_a_foreign_page_is_refused(origin: str, method: str) -> None:
    response = await guarded().request(method, "/", headers={"Origin": origin})
    assert response.status_code == 403
    assert "QACONV_CORS_ORIGINS" in response.json()["detail"]


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("localhost", "https://localhost"),
        ("localhost:443", "https://localhost"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("LOCALHOST:8000", "http://localhost:8000"),
    ],
)
async def test_its_own_page_is_answered(host: str, origin: str) -> None:
    assert (await guarded().post("/", headers={"Host": host, "Origin": origin})).status_code == 200


async def test_a_page_of_an_allowed_origin_is_answered() -> None:
    client = guarded(CONSOLE)
    cross_site = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    assert (await client.post("/", headers={"Origin": CONSOLE, **cross_site})).status_code == 200
    for near in (f"{CONSOLE}:444", f"{CONSOLE}.evil.example", "http://console.example", CONSOLE.upper()):
        assert (await client.post("/", headers={"Origin": near})).status_code == 403
    # A picture without CORS tells no origin: it cannot be told whose page it is.
    assert (await client.get("/", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403),
    ],
)
async def test_what_browsers_say_of_a_request(headers: dict[str, str], status: int) -> None:
    assert (await guarded().get("/", headers=headers)).status_code == status


async def test_a_visit_does_nothing_but_look() -> None:
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await guarded().post("/", headers=visit)).status_code == 403
