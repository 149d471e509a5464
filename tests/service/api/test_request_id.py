import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from service.api.request_id import RequestIdMiddleware
from service.observability.request_context import current_request_id

pytestmark = pytest.mark.anyio


async def answer(_request: Request) -> Response:
    return PlainTextResponse(current_request_id())


def client() -> httpx.AsyncClient:
    application = RequestIdMiddleware(Starlette(routes=[Route("/{path:path}", answer)]))
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://service")


@pytest.mark.parametrize("sent", ["a", "my:request-1.2_3", "x" * 128])
async def test_the_clients_id_is_kept(sent: str) -> None:
    async with client() as asked:
        response = await asked.get("/", headers={"X-Request-Id": sent})
    assert response.headers["x-request-id"] == sent
    assert response.text == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "two words", "line\tfeed", "a/b", "é"])
async def test_what_could_spoil_a_log_line_is_replaced(sent: str) -> None:
    async with client() as asked:
        response = await asked.get("/", headers={"X-Request-Id": sent.encode()})
    assert response.headers["x-request-id"] == response.text
    assert len(response.text) == 32
    assert response.text != sent


async def test_each_request_has_an_id_of_its_own() -> None:
    async with client() as asked:
        ids = {(await asked.get("/")).text for _ in range(10)}
    assert len(ids) == 10
    assert current_request_id() == "-"
