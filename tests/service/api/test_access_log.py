import json
import logging

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from service.access.caller import Caller
from service.api.request_id import RequestIdMiddleware
from service.observability.log_lines import JsonLines

pytestmark = pytest.mark.anyio


async def answer(request: Request) -> Response:
    request.state.caller = Caller(key_id="k1", key_name="Jane's laptop", address="192.0.2.1")
    return PlainTextResponse("done")


async def lines_of(caplog: pytest.LogCaptureFixture, path: str, **headers: str) -> list[dict[str, object]]:
    caplog.set_level(logging.INFO, "service.access")
    caplog.handler.setFormatter(JsonLines())
    application = RequestIdMiddleware(Starlette(routes=[Route("/known", answer)]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://service") as asked:
        await asked.get(path, headers=headers)
    return [json.loads(line) for line in caplog.text.splitlines()]


async def test_a_line_tells_who_asked_for_what_and_how_it_ended(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await lines_of(
        caplog, "/known", **{"X-Request-Id": "abc", "traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"}
    )
    assert line["request_id"] == "abc"
    assert line["trace_id"] == "a1" * 16
    assert line["span_id"] != "b2" * 8
    assert (line["method"], line["route"], line["status"]) == ("GET", "/known", 200)
    assert (line["key_id"], line["client"], line["logger"]) == ("k1", "127.0.0.1", "service.access")
    assert isinstance(line["duration_ms"], float)


async def test_nothing_that_a_client_sent_is_in_it(caplog: pytest.LogCaptureFixture) -> None:
    await lines_of(caplog, "/known?key=secret1", Authorization="Bearer secret2", Cookie="secret3")
    await lines_of(caplog, "/secret4%0a{}")
    assert "secret" not in caplog.text
    assert "laptop" not in caplog.text
    assert len(caplog.text.splitlines()) == 2
