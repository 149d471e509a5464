import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.types import Message

from service.api.deadline import DeadlineMiddleware
from service.api.problems import install_problem_handlers

pytestmark = pytest.mark.anyio
SECONDS = 0.2


def application() -> FastAPI:
    inner = FastAPI()
    inner.add_middleware(DeadlineMiddleware, timeout_seconds=SECONDS)
    install_problem_handlers(inner)

    @inner.get("/quick")
    async def quick(request: Request) -> float:
        return request.state.deadline - asyncio.get_running_loop().time()

    @inner.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(60)

    @inner.post("/upload")
    async def upload(request: Request) -> int:
        return len(await request.body())

    @inner.get("/broken")
    async def broken() -> None:
        raise KeyError("a secret of the inside")

    @inner.get("/timeout-of-its-own")
    async def timeout_of_its_own() -> None:
        raise TimeoutError("a secret of the inside")

    @inner.get("/breaks-off")
    async def breaks_off() -> StreamingResponse:
        async def content() -> AsyncIterator[bytes]:
            yield b"begun"
            raise KeyError("in the middle")

        return StreamingResponse(content())

    return inner


def client() -> httpx.AsyncClient:
    # Exceptions are the middleware's to answer: what passes it fails the test.
    return httpx.AsyncClient(transport=httpx.ASGITransport(application()), base_url="http://service")


async def test_handlers_know_their_deadline() -> None:
    async with client() as asked:
        assert 0 < (await asked.get("/quick")).json() <= SECONDS


async def test_a_late_request_is_given_up() -> None:
    async with client() as asked:
        response = await asked.get("/slow")
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert response.json()["type"] == "/problems/timeout"
    assert "0.2 s" in response.json()["detail"]


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"begun"
        await asyncio.sleep(60)

    async with client() as asked:
        assert (await asked.post("/upload", content=content())).status_code == 503


@pytest.mark.parametrize("path", ["/broken", "/timeout-of-its-own"])
async def test_what_nobody_foresaw_is_logged_and_not_told(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with client() as asked:
        response = await asked.get(path)
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert "secret" in str(record.exc_info[1])


async def test_an_answer_that_has_begun_is_broken_off() -> None:
    async with client() as asked:
        with pytest.raises(KeyError, match="in the middle"):
            await asked.get("/breaks-off")


async def test_at_shutdown_requests_are_told_so() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/slow", "query_string": b"", "headers": []}
    request = asyncio.create_task(application()(scope, receive, send))
    await asyncio.sleep(0.05)
    request.cancel()
    await request
    assert sent[0]["status"] == 503
    assert b"shutting down" in sent[1]["body"]
