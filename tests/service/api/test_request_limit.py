import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from service.api.request_limit import RequestLimitMiddleware
from service.observability.metrics import Metrics

pytestmark = pytest.mark.anyio
LIMIT = 2


class Waiting:
    """An application whose `/wait` answers when it may, or fails; it counts who has begun to wait."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()
        self.fails = False
        self.application = FastAPI()
        self.application.add_api_route("/wait", self._wait)
        for path in ("/livez", "/readyz", "/metrics"):
            self.application.add_api_route(path, self._answer)
        self.application.add_middleware(RequestLimitMiddleware, max_requests=LIMIT, metrics=Metrics())

    async def wait_for(self, count: int) -> None:
        while self.begun < count:
            await asyncio.sleep(0.01)

    async def _wait(self) -> None:
        self.begun += 1
        await self.may_end.wait()
        if self.fails:
            raise KeyError("broken")

    async def _answer(self) -> None:
        return None


def open_client(application: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


async def test_requests_over_the_limit_are_refused_until_one_is_answered() -> None:
    waiting = Waiting()
    async with open_client(waiting.application) as client:
        held = [asyncio.create_task(client.get("/wait")) for _ in range(LIMIT)]
        await waiting.wait_for(LIMIT)
        refused = await client.get("/wait")
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["type"] == "/problems/queue-full"
        assert str(LIMIT) in refused.json()["detail"]
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await client.get(path)).status_code == 200
        waiting.may_end.set()
        assert [response.status_code for response in await asyncio.gather(*held)] == [200, 200]
        assert (await client.get("/wait")).status_code == 200


async def test_a_request_that_fails_or_is_given_up_makes_room() -> None:
    waiting = Waiting()
    async with open_client(waiting.application) as client:
        given_up, failing = (asyncio.create_task(client.get("/wait")) for _ in range(LIMIT))
        await waiting.wait_for(LIMIT)
        given_up.cancel()
        waiting.fails = True
        waiting.may_end.set()
        assert (await failing).status_code == 500
        waiting.fails = False
        responses = await asyncio.gather(*(client.get("/wait") for _ in range(LIMIT)))
        assert [response.status_code for response in responses] == [200, 200]


async def test_a_refusal_reads_nothing() -> None:
    waiting = Waiting()
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("something was read")

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/wait", "query_string": b"", "headers": []}
    async with open_client(waiting.application) as client:
        held = [asyncio.create_task(client.get("/wait")) for _ in range(LIMIT)]
        await waiting.wait_for(LIMIT)
        await waiting.application(scope, receive, send)
        waiting.may_end.set()
        await asyncio.gather(*held)
    assert sent[0]["status"] == 429
