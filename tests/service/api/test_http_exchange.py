"""What the application may do, and what a connection is afterwards: over sockets of this process."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from service.api.http_connection import ConnectionLimits, HttpConnections
from service.api.tls import ServedCertificate
from service.observability.metrics import Metrics
from tests.service.made_certificates import write_certificate

pytestmark = pytest.mark.anyio

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}


@asynccontextmanager
async def serving(
    application: Application, keep_alive_seconds: float = 75.0
) -> AsyncIterator[tuple[HttpConnections, asyncio.StreamReader, asyncio.StreamWriter]]:
    limits = ConnectionLimits(10, 10, keep_alive_seconds, max_connections=2)
    connections = HttpConnections(application, limits, Metrics())
    server = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield connections, reader, writer
    finally:
        writer.close()
        server.close()
        await connections.stop(1)
        assert not connections.opened
        assert not connections.tasks


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"done"})


async def test_an_idle_connection_is_kept_as_long_as_it_says() -> None:
    async with serving(answer, keep_alive_seconds=0.2) as (_, reader, writer):
        began = asyncio.get_running_loop().time()
        writer.write(GET)
        assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"done")
        assert 0.15 < asyncio.get_running_loop().time() - began < 5


async def test_how_long_an_idle_connection_is_kept_is_announced() -> None:
    async with serving(answer, keep_alive_seconds=90.0) as (_, reader, writer):
        writer.write(GET)
        head = await reader.readuntil(b"done")
        assert b"\r\nConnection: keep-alive\r\nKeep-Alive: timeout=90\r\n" in head


@pytest.mark.parametrize(
    "last", [GET.replace(b"Host", b"Connection: x, Close\r\nHost"), GET.replace(b"HTTP/1.1", b"HTTP/1.0")]
)
async def test_one_that_is_not_kept_says_so(last: bytes) -> None:
    async with serving(answer) as (_, reader, writer):
        writer.write(last + GET)
        received = (await asyncio.wait_for(reader.read(), 10)).lower()
        assert received.count(b"done") == 1
        assert b"connection: close" in received
        assert b"keep-alive" not in received


async def fail_before(scope: Scope, receive: Receive, send: Send) -> None:
    raise KeyError("inside")


async def say_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def fail_after(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    raise KeyError("inside")


async def say_half(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"do", "more_body": True})


async def say_too_much(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"done and more"})


@pytest.mark.parametrize("application", [fail_before, say_nothing])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_a_request_without_answer_is_an_error(application: Application, method: bytes) -> None:
    async with serving(application) as (_, reader, writer):
        writer.write(GET.replace(b"GET", method))
        received = await asyncio.wait_for(reader.read(), 10)
        assert received.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert (b'"/problems/internal-error"' in received) == (method == b"GET")
        assert b"inside" not in received


@pytest.mark.parametrize("application", [fail_after, say_half, say_too_much])
async def test_half_an_answer_ends_the_connection(application: Application) -> None:
    async with serving(application) as (_, reader, writer):
        writer.write(GET + GET)
        received = await asyncio.wait_for(reader.read(), 10)
        assert received.count(b"HTTP/1.1") == 1
        assert len(received.partition(b"\r\n\r\n")[2]) < 4


async def test_who_stops_sends_what_was_begun_and_takes_nothing_new() -> None:
    may_end = asyncio.Event()

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        await may_end.wait()
        await answer(scope, receive, send)

    async with serving(wait) as (connections, reader, writer):
        writer.write(GET + GET)
        while not connections.tasks:
            await asyncio.sleep(0)
        stopping = asyncio.create_task(connections.stop(10))
        await asyncio.sleep(0)
        may_end.set()
        received = await asyncio.wait_for(reader.read(), 10)
        assert received.count(b"done") == 1
        assert b"connection: close" in received.lower()
        await stopping


async def test_a_body_is_asked_for_when_it_is_wanted_and_waits_until_it_is() -> None:
    may_read, received = asyncio.Event(), bytearray()

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        await may_read.wait()
        while (message := await receive())["more_body"]:
            received.extend(message["body"])
        received.extend(message["body"])
        await answer(scope, receive, send)

    async with serving(read) as (connections, reader, writer):
        writer.write(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\nExpect: 100-continue\r\n\r\n")
        while not connections.tasks:
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        may_read.set()
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(20_000_000 * b"x")
        assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200")
        assert len(received) == 20_000_000
        may_read.clear()
        writer.write(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n" + 20_000_000 * b"x")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.1)  # Nobody reads: what is not taken up stays with the client.
        may_read.set()
        assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("has_tls", [False, True])
async def test_a_large_answer_that_nobody_reads_is_cut(has_tls: bool, tmp_path: Path) -> None:
    async def answer_much(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"30000000")]})
        await send({"type": "http.response.body", "body": 30_000_000 * b"x"})

    served, trusting = None, None
    if has_tls:
        files = tmp_path / "certificate.pem", tmp_path / "key.pem"
        write_certificate(*files, "first")
        served, trusting = ServedCertificate(*files).context, ssl.create_default_context(cafile=files[0])
    metrics = Metrics()
    connections = HttpConnections(answer_much, ConnectionLimits(10, 0.2, 75, 2), metrics)
    server = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0, ssl=served)
    port = server.sockets[0].getsockname()[1]
    # Its reader takes so much, and no more until somebody reads from it.
    _reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    writer.write(GET)
    while not connections.opened:
        await asyncio.sleep(0.01)
    (connection,) = connections.opened
    await asyncio.wait_for(connection.closed, 10)
    assert b'{reason="answer_not_read"} 1.0' in metrics.exposition()
    writer.transport.abort()
    server.close()
    await connections.stop(1)


async def test_a_client_by_ipv4_on_a_socket_of_ipv6_has_an_address_of_ipv4() -> None:
    seen: list[Scope] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await answer(scope, receive, send)

    connections = HttpConnections(note, ConnectionLimits(10, 10, 75, 2), Metrics())
    if not socket.has_dualstack_ipv6():
        pytest.skip("no sockets for IPv4 and IPv6 here")
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        server = await asyncio.get_running_loop().create_server(connections, sock=listener)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        writer.write(GET)
        await reader.readuntil(b"done")
        writer.close()
        server.close()
        await connections.stop(1)
    assert seen[0]["client"][0] == seen[0]["server"][0] == "127.0.0.1"
