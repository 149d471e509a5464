"""HTTP connections that end: a client that sends no header, reads no answer or takes up a place is not waited for.

Uvicorn has a time limit for idle connections between two requests alone. What is added to it here:

- a header, from its first byte or the connection's, is there in time and is not too long,
- what remains of a request's body after its answer is not read for ever,
- an answer is read in time, or the connection is cut and the answer's memory given back,
- there are so many connections at most: a new one takes the place of the one that has been idle longest.
"""

import asyncio
import socket
import struct
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.api.problems import PROBLEM_MEDIA_TYPE
from service.errors import Unavailable
from service.observability.metrics import Metrics
from service.settings import Settings

# Proxies allow 8 to 64 KiB.
_LONGEST_HEADER_BYTES = 64 * 2**10
# Linger for no time: on, 0 seconds.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may take.

    Attributes:
        header_seconds: from a connection's or a request's beginning to the end of the header.
        answer_seconds: from the end of an answer, or the first byte of it that nobody takes, until it is read.
        max_connections: connections at once.
    """

    header_seconds: float
    answer_seconds: float
    max_connections: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that the operator set; an answer may take as long to be read as to be made."""
        return cls(settings.header_timeout_seconds, settings.request_timeout_seconds, settings.max_connections)


def guard_connections(limits: ConnectionLimits, metrics: Metrics) -> type[asyncio.Protocol]:
    """The protocol that uvicorn makes for each connection."""
    # Uvicorn asks for a class and does nothing with it but to call it.
    return cast("type[asyncio.Protocol]", partial(_GuardedConnection, limits, metrics))


class _GuardedConnection(HttpToolsProtocol):
    def __init__(self, limits: ConnectionLimits, metrics: Metrics, **uvicorns: Any) -> None:  # noqa: ANN401 (uvicorn's)
        super().__init__(**uvicorns)
        self._limits = limits
        self._refusals = metrics.refusals
        self._header_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._idle_since: float | None = None
        self._unanswered: list[RequestResponseCycle] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        is_one_too_many = len(self.connections) >= self._limits.max_connections
        super().connection_made(transport)
        self._await_header()
        if is_one_too_many:
            self._refusals.labels("connections").inc()
            (self._longest_idle() or self)._give_way()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if not self._is_busy():
            self._header_bytes += len(data)
            self._await_header()
        super().data_received(data)
        if not self._is_busy() and self._header_bytes > _LONGEST_HEADER_BYTES:
            self._end("header_too_long")

    def on_headers_complete(self) -> None:
        self._header_bytes = 0
        self._stop_awaiting_header()
        super().on_headers_complete()
        self._unanswered = [each for each in self._unanswered if not each.response_complete] + [self.cycle]

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self._await_reader()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_awaiting_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_awaiting_header()
        self._stop_awaiting_reader()
        # Uvicorn tells the last request alone: of several that were sent at once, those before it would go on.
        for cycle in self._unanswered:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()
        super().connection_lost(exc)

    def _is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _await_header(self) -> None:
        if self._idle_since is None:
            self._idle_since = self.loop.time()
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self._limits.header_seconds, self._end, "header_timeout")

    def _stop_awaiting_header(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _await_reader(self) -> None:
        if self._answer_timer is None:
            self._answer_timer = self.loop.call_later(self._limits.answer_seconds, self._cut_unread_answer)

    def _stop_awaiting_reader(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _cut_unread_answer(self) -> None:
        self._answer_timer = None
        if self.transport.get_write_buffer_size():
            self._end("answer_not_read")

    def _end(self, reason: str) -> None:
        self._refusals.labels(reason).inc()
        # Not close(), which would wait until the client has read what was sent before; and a reset, so that the
        # kernel does not keep it either.
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    def _longest_idle(self) -> "_GuardedConnection | None":
        """Of the other connections that no request is in flight on, the one that has been so for the longest time."""
        others = [each for each in self.connections if isinstance(each, _GuardedConnection) and each is not self]
        idle = [each for each in others if not each._is_busy() and not each.transport.is_closing()]
        return min(idle, key=lambda each: each._idle_since or 0.0, default=None)

    def _give_way(self) -> None:
        """Closed, with an answer where a request may be on its way."""
        if self.cycle is None:
            self.transport.write(_refusal(self._limits.max_connections))
        self.transport.close()


def _refusal(max_connections: int) -> bytes:
    error = Unavailable(f"{max_connections} connections are open, the most that may: try again later")
    body = (
        f'{{"type":"/problems/{error.slug}","title":"{error.title}","status":{error.status},'
        f'"detail":"{error.detail}","request_id":"-","errors":[]}}'
    ).encode()
    header = (
        f"HTTP/1.1 {error.status} Service Unavailable\r\nContent-Type: {PROBLEM_MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: {error.retry_after_seconds}\r\nConnection: close\r\n\r\n"
    )
    return header.encode() + body
