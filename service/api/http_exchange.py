"""A request and its answer, as the ASGI application sees them."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from starlette.types import ASGIApp, Message, Scope

from service.api.problems import UNEXPECTED_ERROR
from service.errors import ServiceError

# What is written at a time: with TLS, what was written at once counts as sent, however much of it nobody takes.
_PART_BYTES = 64 * 2**10

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What an exchange needs of the connection that it is on."""

    async def wait_until_writable(self) -> None:
        """Waits until more may be written, or the client is gone."""

    def want_body(self) -> None:
        """The application has taken what there is of the body."""

    def send_head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The head of the answer."""

    def send_body(self, body: bytes) -> None:
        """A part of its body."""

    def end_answer(self) -> None:
        """It is complete."""

    def refuse(self, error: ServiceError) -> None:
        """There is no answer, or it will not be complete."""


class HttpExchange:
    """One request, and the one answer to it.

    Attributes:
        body_is_whole: nothing more of the request will come.
    """

    def __init__(self, connection: Connection, scope: Scope) -> None:
        self._connection = connection
        self._scope = scope
        self._body = bytearray()
        self.body_is_whole = False
        self._has_news = asyncio.Event()
        self._has_ended = False

    @property
    def held_bytes(self) -> int:
        """What there is of the body and the application has not taken yet."""
        return len(self._body)

    def take_body(self, data: bytes | bytearray) -> None:
        """A part of the body."""
        self._body += data
        self._has_news.set()

    def end_body(self) -> None:
        """There is no more of it."""
        self.body_is_whole = True
        self._has_news.set()

    def end(self) -> None:
        """The answer is complete, or nobody is there for it any more."""
        self._has_ended = True
        self._has_news.set()

    async def run(self, app: ASGIApp) -> None:
        """Lets the application answer. Whatever it does, the connection is of use afterwards or closed."""
        try:
            await app(self._scope, self._receive, self._send)
        except Exception:
            _log.exception("an exception that nobody foresaw")
        finally:
            if not self._has_ended:
                self._connection.refuse(UNEXPECTED_ERROR)

    async def _receive(self) -> Message:
        if not self._has_ended:
            self._connection.want_body()
        await self._has_news.wait()
        if self._has_ended:
            return {"type": "http.disconnect"}
        self._has_news.clear()
        body, self._body = bytes(self._body), bytearray()
        self._connection.want_body()
        return {"type": "http.request", "body": body, "more_body": not self.body_is_whole}

    async def _send(self, message: Message) -> None:
        await self._connection.wait_until_writable()
        if self._has_ended:
            return
        if message["type"] == "http.response.start":
            self._connection.send_head(message["status"], message.get("headers", ()))
            return
        body = message.get("body", b"")
        for begin in range(0, len(body), _PART_BYTES):
            await self._connection.wait_until_writable()
            if self._has_ended:
                return
            self._connection.send_body(body[begin : begin + _PART_BYTES])
        if not message.get("more_body", False):
            self._connection.end_answer()
