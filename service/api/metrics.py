"""What Prometheus is told of requests: how long they took by route and status, those in flight, and what went wrong."""

import asyncio
import time

from fastapi import Response
from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import count_problem, sent_problem
from service.api.route_label import method_label, route_label
from service.components import Components
from service.observability.metrics import Metrics
from service.readiness import check_readiness

# Redis and device are asked, and each may take longer to say that it does not work. Prometheus gives up after 10 s.
_READINESS_SECONDS = 2.0


def watch_process(metrics: Metrics) -> None:
    """The process's memory, file descriptors and processor time, and the Python that runs it."""
    ProcessCollector(registry=metrics.registry)
    PlatformCollector(registry=metrics.registry)


async def answer_metrics(components: Components) -> Response:
    """All metrics as they are now."""
    ready = components.metrics.gauge("qaconv_ready", "1 where /readyz would answer 200, else 0.")
    ready.set(await _is_ready(components))
    # In a thread: sizes on disk are read for it.
    content = await asyncio.to_thread(components.metrics.exposition)
    return Response(content, headers={"Content-Type": CONTENT_TYPE_LATEST})


class MetricsMiddleware:
    """Times every request, and counts the problems that were answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._seconds = metrics.histogram(
            "qaconv_http_request_duration_seconds",
            "Time from the first byte of a request's header to the last of its answer.",
            ["method", "route", "status"],
        )
        self._in_flight = metrics.gauge("qaconv_http_requests_in_flight", "Requests that are not answered yet.")
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = "none"  # The client went away before it was answered.
        started = time.perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        with self._in_flight.track_inprogress():
            try:
                await self._app(scope, receive, send_and_note)
            finally:
                labels = (method_label(scope), route_label(scope), status)
                self._seconds.labels(*labels).observe(time.perf_counter() - started)
                if (problem := sent_problem(scope)) is not None:
                    count_problem(self._metrics, problem)


async def _is_ready(components: Components) -> bool:
    try:
        return not await asyncio.wait_for(check_readiness(components), _READINESS_SECONDS)
    except TimeoutError:
        return False
