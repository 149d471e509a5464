from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.types import Message, Receive, Scope, Send

from service.api.body_limit import BodyLimitMiddleware
from service.api.problems import install_problem_handlers

pytestmark = pytest.mark.anyio
LIMIT = 1000


def application() -> BodyLimitMiddleware:
    inner = FastAPI()
    install_problem_handlers(inner)

    @inner.post("/")
    async def measure(request: Request) -> int:
        return len(await request.body())

    return BodyLimitMiddleware(inner, LIMIT)


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application()), base_url="http://service")


async def chunks(total: int) -> AsyncIterator[bytes]:
    for start in range(0, total, 100):
        yield b"x" * min(100, total - start)


@pytest.mark.parametrize("size", [0, 1, LIMIT])
async def test_bodies_up_to_the_limit_arrive_whole(size: int) -> None:
    async with client() as asked:
        assert (await asked.post("/", content=b"x" * size)).json() == size
        assert (await asked.post("/", content=chunks(size))).json() == size


async def test_a_larger_body_is_refused() -> None:
    async with client() as asked:
        declared = await asked.post("/", content=b"x" * (LIMIT + 1))
        streamed = await asked.post("/", content=chunks(LIMIT + 1))
    for response in (declared, streamed):
        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"
        assert str(LIMIT) in response.json()["detail"]


@pytest.mark.parametrize(("declared", "status"), [("9" * 5000, 413), ("0" * 200, 200), ("abc", 400), ("-1", 400)])
async def test_the_declared_length_is_judged_before_anything_is_read(declared: str, status: int) -> None:
    is_read = False
    sent: list[Message] = []

    async def receive() -> Message:
        nonlocal is_read
        is_read = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await _ask(application(), declared, receive, send)
    assert sent[0]["status"] == status
    assert is_read == (status == 200)


async def _ask(asked: BodyLimitMiddleware, declared: str, receive: Receive, send: Send) -> None:
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"content-length", declared.encode())],
    }
    await asked(scope, receive, send)
