"""HTTP/1.1 on one connection: h11 reads it, and what is here gives every wait an end.

- A request's body is read by its framing, whatever else the client asks for: nobody is switched to another protocol.
- One request is answered at a time. What was sent ahead waits in the client, but for what one read brought.
- A header, from its first byte or the connection's, is there in time and is not too long.
- What remains of a request's body after its answer is not read for ever.
- An answer is read in time, or the connection is cut and the answer's memory given back.
- There are so many connections at most: a new one takes the place of the one that has been idle longest.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import Any, Self, cast
from urllib.parse import unquote

import h11
from starlette.types import ASGIApp, Scope

from service.api.behind_proxy import fold_address
from service.api.http_exchange import HttpExchange
from service.api.problems import answer_error
from service.errors import HeaderTooLong, MalformedRequest, ServiceError, Unavailable, UnknownTransferCoding
from service.observability.metrics import Metrics
from service.settings import Settings

_log = logging.getLogger(__name__)

# Proxies allow 8 to 64 KiB.
_LONGEST_HEADER_BYTES = 64 * 2**10
# So much of a body is held that nobody has taken yet; then the client waits.
_BODY_BYTES_HELD = 64 * 2**10
# Parts of a request, such as chunks of its body, that are taken up before it is another connection's turn.
_PARTS_AT_A_TIME = 256
# Linger for no time: on, 0 seconds.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may take.

    Attributes:
        header_seconds: from a connection's or a request's beginning to the end of the header.
        answer_seconds: from the end of an answer, or the first byte of it that nobody takes, until it is read.
        keep_alive_seconds: from the end of an answer to the first byte of the next request.
        max_connections: connections at once.
    """

    header_seconds: float
    answer_seconds: float
    keep_alive_seconds: float
    max_connections: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that the operator set; an answer may take as long to be read as to be made."""
        return cls(
            settings.header_timeout_seconds,
            settings.request_timeout_seconds,
            settings.keep_alive_seconds,
            settings.max_connections,
        )


class HttpConnections:
    """All connections of a server, and what they share; called, it makes the protocol of the next one.

    Attributes:
        opened: the connections that are open.
        tasks: the requests that the application works for.
    """

    def __init__(self, app: ASGIApp, limits: ConnectionLimits, metrics: Metrics) -> None:
        self.app = app
        self.limits = limits
        self.refusals = metrics.refusals
        self.opened: set[HttpConnection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def __call__(self) -> "HttpConnection":
        """The protocol of a connection that is to come."""
        return HttpConnection(self)

    def add(self, connection: "HttpConnection") -> None:
        """Counts a connection that was made; where it is one too many, the longest idle one goes, or it itself."""
        self.opened.add(connection)
        if len(self.opened) > self.limits.max_connections:
            others_idle = [each for each in self.opened if each.is_idle and each is not connection]
            self.refusals.labels("connections").inc()
            refusal = Unavailable(f"{self.limits.max_connections} connections are open, the most that may: try later")
            min(others_idle, key=lambda each: each.idle_since, default=connection).give_way(refusal)
        elif self._is_stopping:
            connection.stop()

    def start(self, exchange: HttpExchange) -> None:
        """Gives a request to the application."""
        task = asyncio.create_task(exchange.run(self.app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def stop(self, seconds: float) -> None:
        """Lets the requests in flight be answered and their answers be read, for so long; then ends them all."""
        self._is_stopping = True
        for connection in list(self.opened):
            connection.stop()
        await self._await_ends(seconds)
        if self.tasks:
            _log.warning("%d requests were not answered within the %g s before the end", len(self.tasks), seconds)
        for task in self.tasks:
            task.cancel()
        await self._await_ends(1.0)  # They say to their clients that the service ends.
        for connection in list(self.opened):
            connection.abort()

    async def _await_ends(self, seconds: float) -> None:
        if ends := [*self.tasks, *(each.closed for each in self.opened)]:
            await asyncio.wait(ends, timeout=seconds)


class HttpConnection(asyncio.Protocol):
    """One connection.

    Attributes:
        closed: done when the connection is.
        idle_since: loop time since when no request is in flight.
    """

    def __init__(self, connections: HttpConnections) -> None:
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEADER_BYTES)
        self._exchange: HttpExchange | None = None
        self._is_head = False
        self._client_stays = True
        self._has_answered = False
        self._is_between_requests = False
        self._is_stopping = False
        self._is_reading = True
        self._will_read_on = False
        self._client_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.idle_since = self._loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether it is open without a request in flight."""
        return self._exchange is None and not self._transport.is_closing()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there, with TLS where there is any."""
        self._transport = cast("asyncio.Transport", transport)
        self._await_header()
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, or of several."""
        # After the last request of a connection nothing is read, whatever it is.
        if self._transport.is_closing() or self._parser.their_state is h11.MUST_CLOSE:
            return
        if self._is_between_requests:
            self._is_between_requests = False
            self._await_header()
        self._parser.receive_data(data)
        if not self._will_read_on:
            self._read_requests()

    def pause_writing(self) -> None:
        """The client does not take what is written to it."""
        self._may_write.clear()
        self._await_reader()

    def resume_writing(self) -> None:
        """It does again."""
        self._may_write.set()
        self._stop_awaiting_reader()
        self._await_last_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, by either side."""
        self._stop_awaiting_client()
        self._stop_awaiting_reader()
        self._may_write.set()
        self._end_exchange()
        self._connections.opened.discard(self)
        self.closed.set_result(None)

    # What the server asks for.

    def stop(self) -> None:
        """Closes it once the request in flight is answered."""
        self._is_stopping = True
        if self._exchange is None:
            self._close()

    def refuse(self, error: ServiceError) -> None:
        """Answers with an error, unless another answer has begun, and closes it."""
        if self._parser.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = answer_error(error, {"Connection": "close"})
            self.send_head(answer.status_code, answer.raw_headers)
            self.send_body(bytes(answer.body))
            self._write(h11.EndOfMessage())
        self._end_exchange()
        self._close()

    def give_way(self, error: ServiceError) -> None:
        """Closes it while no request is in flight, with an answer where one may be on its way."""
        if self._has_answered:
            self._close()
        else:
            self.refuse(error)

    def abort(self) -> None:
        """Ends it without waiting for anybody."""
        # Not close(), which would wait until the client has read what was sent before; and a reset, so that the
        # kernel does not keep it either.
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    # What an exchange asks for.

    async def wait_until_writable(self) -> None:
        """Waits until the client has taken enough of what was written to it, or is gone."""
        await self._may_write.wait()

    def want_body(self) -> None:
        """The application takes what there is of the body: a client that asked whether it should send it is told to."""
        if self._parser.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
        self._regulate_reading()

    def send_head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Writes the head of the answer."""
        headers = [(b"Date", formatdate(usegmt=True).encode()), *headers]
        if self._is_stopping:
            headers.append((b"Connection", b"close"))
        elif self._client_stays and not any(name.lower() == b"connection" for name, _ in headers):
            seconds = int(self._connections.limits.keep_alive_seconds)
            headers += [(b"Connection", b"keep-alive"), (b"Keep-Alive", b"timeout=%d" % seconds)]
        self._write(h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase))

    def send_body(self, body: bytes) -> None:
        """Writes a part of the answer's body; the answer to HEAD tells how long it would be, and has none."""
        if not self._is_head:
            self._write(h11.Data(data=body))

    def end_answer(self) -> None:
        """The answer is complete: the next request may come."""
        self._write(h11.EndOfMessage())
        self._end_exchange()
        self._has_answered, self.idle_since = True, self._loop.time()
        if self._parser.our_state is h11.MUST_CLOSE or self._is_stopping:
            self._close()
        elif self._parser.their_state is h11.DONE:
            self._await_next_request()
        else:
            # The rest of the body is read, and thrown away.
            self._await_header()
            self._regulate_reading()
        self._await_last_reader()

    # Requests, one after the other.

    def _read_requests(self) -> None:
        self._will_read_on = False
        try:
            for _ in range(_PARTS_AT_A_TIME):
                if self._transport.is_closing() or not self._read_event():
                    break
            else:
                self._read_on_soon()
        except h11.RemoteProtocolError as error:
            self._refuse_malformed(_explain(error))
        except ServiceError as error:
            self._refuse_malformed(error)
        self._regulate_reading()

    def _read_event(self) -> bool:
        """Takes up the next part of a request; false where there is none until more is received, or answered."""
        event = self._parser.next_event()
        if isinstance(event, h11.Request):
            self._stop_awaiting_client()
            self._is_head = event.method == b"HEAD"
            self._client_stays = _keeps_alive(event)
            self._exchange = HttpExchange(self, self._describe(event))
            self._connections.start(self._exchange)
        elif isinstance(event, h11.Data):
            if self._exchange is not None:
                self._exchange.take_body(event.data)
        elif isinstance(event, h11.EndOfMessage):
            if self._exchange is not None:
                self._exchange.end_body()
            else:
                self._await_next_request()
            return False
        return isinstance(event, h11.Request | h11.Data)

    def _await_next_request(self) -> None:
        self._parser.start_next_cycle()
        self._is_head = False
        if self._has_data_ahead():
            self._await_header()
            self._read_on_soon()
        else:
            self._is_between_requests = True
            self._await_client(self._connections.limits.keep_alive_seconds, self._close)
            self._regulate_reading()

    def _read_on_soon(self) -> None:
        self._will_read_on = True
        self._loop.call_soon(self._read_requests)

    def _describe(self, request: h11.Request) -> Scope:
        """A request as ASGI has it.

        Raises:
            MalformedRequest: its length is told in two ways, or its target is no path.
        """
        names = {name for name, _ in request.headers}
        if b"transfer-encoding" in names and (b"content-length" in names or request.http_version < b"1.1"):
            raise MalformedRequest(
                "where the body ends cannot be told: there is a Transfer-Encoding, and with it a Content-Length or "
                "HTTP/1.0; send a Content-Length alone"
            )
        path, query = _split_target(request.target)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.http_version.decode("ascii"),
            "method": request.method.decode("ascii"),
            "scheme": "https" if self._transport.get_extra_info("sslcontext") else "http",
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
            "client": _address(self._transport.get_extra_info("peername")),
            "server": _address(self._transport.get_extra_info("sockname")),
            "state": {},
        }

    def _has_data_ahead(self) -> bool:
        """Whether there is something of the next request already."""
        return bool(self._parser.trailing_data[0])

    def _refuse_malformed(self, error: ServiceError) -> None:
        self._connections.refusals.labels(error.slug.replace("-", "_")).inc()
        self.refuse(error)

    def _end_exchange(self) -> None:
        if self._exchange is not None:
            self._exchange.end()
            self._exchange = None

    def _close(self) -> None:
        """Closes it once the client has read what was written to it."""
        self._stop_awaiting_client()
        self._transport.close()
        self._await_last_reader()

    def _write(self, event: h11.Event) -> None:
        self._transport.write(self._parser.send(event) or b"")

    # Waiting, for so long at most.

    def _regulate_reading(self) -> None:
        """Reads on but while there is enough to work for; a client that is not read from waits."""
        has_enough = self._will_read_on
        if (exchange := self._exchange) is not None:
            has_enough |= exchange.held_bytes > _BODY_BYTES_HELD
            has_enough |= exchange.body_is_whole and self._has_data_ahead()
        if self._is_reading == has_enough and not self._transport.is_closing():
            self._is_reading = not has_enough
            (self._transport.pause_reading if has_enough else self._transport.resume_reading)()

    def _await_header(self) -> None:
        self._await_client(self._connections.limits.header_seconds, partial(self._cut, "header_timeout"))

    def _await_client(self, seconds: float, then: Callable[[], object]) -> None:
        self._stop_awaiting_client()
        self._client_timer = self._loop.call_later(seconds, then)

    def _stop_awaiting_client(self) -> None:
        if self._client_timer is not None:
            self._client_timer.cancel()
            self._client_timer = None

    def _await_reader(self) -> None:
        if self._answer_timer is None:
            self._answer_timer = self._loop.call_later(self._connections.limits.answer_seconds, self._cut_unread_answer)

    def _await_last_reader(self) -> None:
        """After an answer, what remains of it has to be read in time, too."""
        if self._exchange is None and self._transport.get_write_buffer_size():
            self._await_reader()

    def _stop_awaiting_reader(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _cut_unread_answer(self) -> None:
        self._answer_timer = None
        if self._transport.get_write_buffer_size():
            self._cut("answer_not_read")

    def _cut(self, reason: str) -> None:
        self._connections.refusals.labels(reason).inc()
        self.abort()


def _keeps_alive(request: h11.Request) -> bool:
    """Whether the client is to send further requests."""
    sent = b",".join(value for name, value in request.headers if name == b"connection")
    return request.http_version >= b"1.1" and b"close" not in [token.strip().lower() for token in sent.split(b",")]


def _split_target(target: bytes) -> tuple[str, bytes]:
    """Path, still encoded, and query of what a request line asks for: a path, a whole URL or `*`.

    Raises:
        MalformedRequest: it is none of these.
    """
    if not target.startswith(b"/") and target != b"*":
        scheme, separator, rest = target.partition(b"://")
        if not separator or scheme.lower() not in (b"http", b"https"):
            raise MalformedRequest(f"the request asks for {target[:60]!r}: send a path, such as /v1/search")
        target = b"/" + rest.partition(b"/")[2]
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return path.decode("ascii"), query


def _explain(error: h11.RemoteProtocolError) -> ServiceError:
    if error.error_status_hint == HeaderTooLong.status:
        return HeaderTooLong(f"the request's header has more than {_LONGEST_HEADER_BYTES} bytes: send fewer")
    kind = UnknownTransferCoding if error.error_status_hint == UnknownTransferCoding.status else MalformedRequest
    return kind(f"the request is not HTTP/1.1: {error}")


def _address(found: Any) -> tuple[str, int] | None:  # noqa: ANN401 (a socket's)
    """Host and port; an IPv4 address as such, also where IPv6 carries it (`::ffff:127.0.0.1`)."""
    if not isinstance(found, tuple):
        return None
    return fold_address(found[0]), found[1]
