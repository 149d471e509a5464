"""Gives a request up when its client has gone: what it still waits for is dropped from the queues."""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Calls of these methods read no body: nobody else listens to the connection.
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})


class DisconnectMiddleware:
    """Listens to a request's connection once its body is read, and cancels the request when the connection is lost.

    Writes that have begun go on to their end all the same: the `DetectionWriter` sees to that.

    Raises:
        ClientDisconnect: nobody is there to be answered.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = asyncio.current_task()
        assert request is not None
        connection = _Connection(receive, send, has_body=scope["method"] not in _WITHOUT_BODY)
        listener = asyncio.create_task(connection.cancel_when_lost(request))
        try:
            await self._app(scope, connection.receive, connection.send)
        except asyncio.CancelledError:
            if connection.is_lost and request.cancelling() == 1:
                raise ClientDisconnect from None
            raise  # Time is over, or the service ends, too.
        finally:
            listener.cancel()
            if connection.is_lost:
                request.uncancel()


class _Connection:
    """One request's channel, which notes how far the request is."""

    def __init__(self, receive: Receive, send: Send, *, has_body: bool) -> None:
        self._receive = receive
        self._send = send
        self._is_answered = False
        self._body_is_read = asyncio.Event()
        if not has_body:
            self._body_is_read.set()
        self.is_lost = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._body_is_read.set()
        return message

    async def send(self, message: Message) -> None:
        # Noted before it is sent: a server says that the client is gone also when the answer is complete.
        self._is_answered = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def cancel_when_lost(self, request: "asyncio.Task[None]") -> None:
        """Waits for the connection's end; the request's task is cancelled unless it is answered by then."""
        await self._body_is_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._is_answered:
            self.is_lost = True
            request.cancel()
