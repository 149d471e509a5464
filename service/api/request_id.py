"""Gives every request an ID and a place in a trace, answers both, and names them in every log line.

The ID is the client's `X-Request-Id` or a new one. The trace is that of the client's `traceparent` (W3C Trace
Context), or a new one; it is answered in `traceresponse`, the header that the W3C's draft names for it.
"""

import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.access_log import log_access
from service.api.fields import is_identifier
from service.observability.request_context import RequestContext, working_for
from service.observability.trace_context import TraceContext

REQUEST_ID_HEADER = "X-Request-Id"
TRACE_RESPONSE_HEADER = "traceresponse"


class RequestIdMiddleware:
    """Holds a request's IDs while it is answered, answers them, and logs one line when the answer is complete."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        request = _identify(Headers(scope=scope))
        status: int | None = None
        started = time.perf_counter()

        async def send_with_ids(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request.request_id
                headers[TRACE_RESPONSE_HEADER] = request.trace.traceparent
            await send(message)

        with working_for([request]):
            try:
                await self._app(scope, receive, send_with_ids)
            finally:
                log_access(scope, status, time.perf_counter() - started)


def _identify(headers: Headers) -> RequestContext:
    sent = headers.get(REQUEST_ID_HEADER)
    request_id = sent if sent is not None and is_identifier(sent) else uuid.uuid4().hex
    # Of two, neither can be told to be the right one.
    parents = headers.getlist("traceparent")
    traceparent = parents[0] if len(parents) == 1 else None
    return RequestContext(request_id, TraceContext.continue_from(traceparent, ",".join(headers.getlist("tracestate"))))
