"""Refuses requests while too many are in flight, before anything of their bodies is read or held."""

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import answer_error
from service.errors import QueueFull
from service.observability.metrics import Metrics

# What supervisors, load balancers and Prometheus ask must be answered above all when there is much to do.
_EXEMPT_PATHS = frozenset({"/livez", "/readyz", "/metrics"})


class RequestLimitMiddleware:
    """Answers 429 to a request that comes while `max_requests` others are not answered yet."""

    def __init__(self, app: ASGIApp, max_requests: int, metrics: Metrics) -> None:
        self._app = app
        self._refusals = metrics.refusals.labels("requests_in_flight")
        self._max_requests = max_requests
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] != "http" or scope["path"] in _EXEMPT_PATHS:
            await self._app(scope, receive, send)
            return
        if self._in_flight >= self._max_requests:
            self._refusals.inc()
            refusal = QueueFull(f"{self._max_requests} requests are in flight, the most that may: try again later")
            await answer_error(refusal)(scope, receive, send)
            return
        self._in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1
