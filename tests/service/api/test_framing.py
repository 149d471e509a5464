"""Where a request ends and the next begins, over raw sockets: whatever a client asks for, one request is one answer."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import h11
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from service.api.http_connection import ConnectionLimits, HttpConnections
from service.observability.metrics import Metrics

pytestmark = pytest.mark.anyio

LIMITS = ConnectionLimits(header_seconds=10, answer_seconds=10, keep_alive_seconds=75, max_connections=10)
# A body that is a request by itself.
HIDDEN = b"DELETE /v1/detections/hidden HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
OTHER_PROTOCOLS = {
    "none": b"",
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n",
    "websocket": b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n",
    "unknown": b"Connection: keep-alive, Upgrade\r\nUpgrade: gopher/7\r\n",
    "without a Connection": b"Upgrade: h2c\r\n",
    "of TLS": b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
}


@dataclass
class Server:
    """A server that notes what it was asked, and counts it."""

    answers: int = 1
    port: int = 0
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        self.asked.append((scope["method"], scope["path"], body))
        await PlainTextResponse(f"{len(self.asked)}")(scope, receive, send)

    async def send(self, *segments: bytes, method: str = "PUT") -> list[tuple[int, bytes]]:
        """Statuses and bodies of the answers to what is sent, segment by segment; the client closes nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for segment in segments:
            writer.write(segment)
            # The kernel would put segments together that nobody has read yet.
            await asyncio.sleep(0.001)
        received = b""
        while len(read_answers(received, method)) < self.answers and (data := await reader.read(65536)):
            received += data
        with suppress(TimeoutError):
            received += await asyncio.wait_for(reader.read(), 0.03)  # An answer too many would be there by then.
        writer.close()
        return read_answers(received, method)


def read_answers(received: bytes, method: str) -> list[tuple[int, bytes]]:
    """All complete answers of a connection."""
    answers: list[tuple[int, bytes]] = []
    parser = h11.Connection(h11.CLIENT)
    parser.receive_data(received)
    while parser.our_state is h11.IDLE and parser.trailing_data[0]:
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        parser.send(h11.EndOfMessage())
        status, body = 0, b""
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                return answers
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
        answers.append((status, body))
        if parser.their_state is h11.DONE:
            parser.start_next_cycle()
    return answers


@asynccontextmanager
async def serving(server: Server, limits: ConnectionLimits = LIMITS) -> AsyncIterator[Server]:
    connections = HttpConnections(server, limits, Metrics())
    listener = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await connections.stop(1)


def split(request: bytes, how: str) -> Iterable[bytes]:
    head, separator, body = request.partition(b"\r\n\r\n")
    if how == "in one segment":
        return [request]
    if how == "body later":
        return [head + separator, body]
    return [request[place : place + 1] for place in range(len(request))]


def put(headers: bytes, body: bytes, *, is_chunked: bool = False) -> bytes:
    if is_chunked:
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:]))
        framing, body = b"Transfer-Encoding: chunked\r\n", chunks + b"0\r\n\r\n"
    else:
        framing = b"Content-Length: %d\r\n" % len(body)
    return b"PUT /v1/detections/x HTTP/1.1\r\nHost: a\r\n" + headers + framing + b"\r\n" + body


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("how", ["in one segment", "body later", "byte by byte"])
@pytest.mark.parametrize("protocol", OTHER_PROTOCOLS)
async def test_a_body_is_a_body_whatever_protocol_is_asked_for(protocol: str, how: str, is_chunked: bool) -> None:
    async with serving(Server()) as server:
        request = put(OTHER_PROTOCOLS[protocol], HIDDEN, is_chunked=is_chunked)
        assert await server.send(*split(request, how)) == [(200, b"1")]
        assert server.asked == [("PUT", "/v1/detections/x", HIDDEN)]


@pytest.mark.parametrize("how", ["in one segment", "body later"])
@pytest.mark.parametrize("protocol", OTHER_PROTOCOLS)
async def test_requests_that_are_sent_ahead_are_answered_one_by_one(protocol: str, how: str) -> None:
    async with serving(Server(answers=4)) as server:
        request = put(OTHER_PROTOCOLS[protocol], HIDDEN)
        plain = b"GET /after HTTP/1.1\r\nHost: a\r\n" + OTHER_PROTOCOLS[protocol] + b"\r\n"
        answers = await server.send(*split(request, how), plain + request + plain)
        assert answers == [(200, b"%d" % number) for number in range(1, 5)]
        assert [path for _, path, _ in server.asked] == 2 * ["/v1/detections/x", "/after"]
        assert [body for _, _, body in server.asked] == 2 * [HIDDEN, b""]


@pytest.mark.parametrize("protocol", OTHER_PROTOCOLS)
async def test_connect_does_not_open_a_tunnel(protocol: str) -> None:
    async with serving(Server()) as server:
        request = b"CONNECT other:80 HTTP/1.1\r\nHost: other:80\r\n" + OTHER_PROTOCOLS[protocol] + b"\r\n"
        assert [status for status, _ in await server.send(request, HIDDEN)] == [400]
        assert server.asked == []


REFUSED = {
    "another coding": (501, b"Transfer-Encoding: gzip\r\n"),
    "another coding before chunked": (501, b"Transfer-Encoding: gzip, chunked\r\n"),
    "chunked and identity": (501, b"Transfer-Encoding: chunked, identity\r\n"),
    "chunked twice": (501, b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    "a hidden coding": (501, b"Transfer-Encoding: xchunked\r\n"),
    "a coding with a tab": (501, b"Transfer-Encoding: chunked;\t\r\n"),
    "both framings": (400, b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
    "both framings, the other way": (400, b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
    "two lengths": (400, b"Content-Length: 3\r\nContent-Length: 4\r\n"),
    "two lengths in one": (400, b"Content-Length: 3, 4\r\n"),
    "a signed length": (400, b"Content-Length: +3\r\n"),
    "a negative length": (400, b"Content-Length: -3\r\n"),
    "a length in hexadecimal": (400, b"Content-Length: 0x3\r\n"),
    "a length of no digits": (400, b"Content-Length: \xb3\r\n"),
    "an empty length": (400, b"Content-Length:\r\n"),
    "a space before the colon": (400, b"Content-Length : 3\r\n"),
    "a zero byte": (400, b"Content-Length: 3\x00\r\n"),
    "no name": (400, b": 3\r\n"),
    "a line without colon": (400, b"Content-Length\r\n"),
    "two hosts": (400, b"Host: b\r\n"),
}


@pytest.mark.parametrize("method", ["PUT", "HEAD"])
@pytest.mark.parametrize("case", REFUSED)
async def test_what_has_no_certain_end_is_refused(case: str, method: str) -> None:
    status, headers = REFUSED[case]
    async with serving(Server()) as server:
        request = b"%s /x HTTP/1.1\r\nHost: a\r\n%s\r\n3\r\nabc\r\n0\r\n\r\n" % (method.encode(), headers)
        answers = await server.send(request, HIDDEN, method=method)
        assert [status for status, _ in answers] == [status]
        assert server.asked == []


async def test_a_coding_in_http_1_0_is_refused() -> None:
    async with serving(Server()) as server:
        request = b"PUT /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        assert [status for status, _ in await server.send(request + HIDDEN)] == [400]
        assert server.asked == []


@pytest.mark.parametrize(
    "body",
    [b"-1\r\nabc\r\n", b"g\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"3\r\nabc\n0\n\n", b"ffffffffffffffffffffffff\r\na\r\n"],
)
async def test_a_body_that_is_not_chunked_as_it_says_is_refused(body: bytes) -> None:
    async with serving(Server()) as server:
        request = b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert [status for status, _ in await server.send(request, body + HIDDEN)] == [400]
        assert server.asked == []


async def test_a_body_in_very_many_chunks_leaves_others_their_turn() -> None:
    async with serving(Server()) as server:
        request = b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        many = asyncio.create_task(server.send(request + 30_000 * b"1\r\nx\r\n" + b"0\r\n\r\n"))
        await asyncio.sleep(0.01)
        assert await server.send(b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n") == [(200, b"1")]
        assert await many == [(200, b"2")]
        assert server.asked == [("GET", "/other", b""), ("PUT", "/x", 30_000 * b"x")]


async def test_nothing_is_read_after_a_last_request() -> None:
    async with serving(Server(answers=2)) as server:
        closing = put(b"Connection: close\r\n", b"abc")
        assert await server.send(put(b"", b"ab") + closing + HIDDEN) == [(200, b"1"), (200, b"2")]
        assert [body for _, _, body in server.asked] == [b"ab", b"abc"]


@pytest.mark.parametrize(
    ("target", "path"),
    [(b"http://a/x", "/x"), (b"HTTPS://a:80/x?y", "/x"), (b"/%2e%2e/x", "/../x"), (b"//x", "//x"), (b"http://a", "/")],
)
async def test_a_whole_url_is_the_path_in_it(target: bytes, path: str) -> None:
    async with serving(Server()) as server:
        assert await server.send(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target) == [(200, b"1")]
        assert server.asked == [("GET", path, b"")]
