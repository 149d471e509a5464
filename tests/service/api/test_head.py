"""HEAD wherever GET is, in a service's application, and on the wire."""

import pytest
from starlette.responses import PlainTextResponse

from service.settings import Settings
from tests.service.api.test_framing import Server, serving
from tests.service.running_application import run_application

pytestmark = pytest.mark.anyio


async def test_head_is_there_wherever_get_is(settings: Settings) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        assert (await running.put("d")).status_code == 201
        paths = [path for path, calls in running.application.openapi()["paths"].items() if "get" in calls]
        assert len(paths) > 5
        for path in [*paths, "/docs", "/openapi.json"]:
            asked = path.format(detection_id="d", receipt_id="none")
            got, told = await running.client.get(asked), await running.client.head(asked)
            assert told.status_code == got.status_code, asked
            assert told.headers["content-type"] == got.headers["content-type"]
            assert "content-length" in told.headers
        for path in ("/v1/search", "/v1/detections:erase"):
            refused = await running.client.head(path)
            assert refused.status_code == 405
            assert "HEAD" not in refused.headers["allow"]
        wrong = await running.client.post("/v1/gallery")
        assert wrong.headers["allow"] == "GET, HEAD"


async def test_the_answer_to_head_has_no_body_and_says_how_long_it_would_be() -> None:
    server = Server(answers=2)
    async with serving(server) as served:
        told = b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n"
        assert await served.send(told + told, method="HEAD") == [(200, b""), (200, b"")]
    assert PlainTextResponse("1").headers["content-length"] == "1"
