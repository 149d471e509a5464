"""Gives every request an ID: the client's `X-Request-Id` or a new one, answered, and in every log line."""

import logging
import time
import uuid
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.fields import is_identifier

REQUEST_ID_HEADER = "X-Request-Id"

_current: ContextVar[str] = ContextVar("request_id", default="-")
_access_log = logging.getLogger("service.access")


def current_request_id() -> str:
    """The ID of the request that this code runs for; "-" outside of one."""
    return _current.get()


class RequestIdFilter(logging.Filter):
    """Adds `request_id` to log records, for a formatter to print."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Passes every record."""
        record.request_id = current_request_id()
        return True


class RequestIdMiddleware:
    """Holds a request's ID while it is answered, answers it, and logs one line when the answer is complete."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _choose_request_id(scope)
        status = 0
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        token = _current.set(request_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            _log_access(scope, status, time.perf_counter() - started)
            _current.reset(token)


def _choose_request_id(scope: Scope) -> str:
    sent = Headers(scope=scope).get(REQUEST_ID_HEADER)
    return sent if sent is not None and is_identifier(sent) else uuid.uuid4().hex


def _log_access(scope: Scope, status: int, seconds: float) -> None:
    client = scope.get("client")
    caller = scope.get("state", {}).get("caller")
    # %r: whatever a client puts into a path stays on one line.
    _access_log.info(
        "%s %s %r %s %.1f ms key=%s",
        client[0] if client else "-",
        scope["method"],
        scope["path"],
        status or "no answer",
        seconds * 1000,
        (caller.key_id if caller else None) or "-",
    )
