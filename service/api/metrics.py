"""What Prometheus is told: requests by route and status, those in flight, the gallery and the device."""

import time

from fastapi import Response
from prometheus_client import CollectorRegistry, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.components import Components

# From a look-up in Redis to the default time limit of a request.
_SECONDS_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_UNMATCHED = "unmatched"


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.request_seconds = Histogram(
            "qaconv_http_request_duration_seconds",
            "Time from the first byte of a request's header to the last of its answer.",
            ["method", "route", "status"],
            buckets=_SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "qaconv_http_requests_in_flight", "Requests that are not answered yet.", registry=self.registry
        )
        self.gallery_size = Gauge(
            "qaconv_gallery_detections", "Detections that searches compare with.", registry=self.registry
        )
        self.gallery_capacity = Gauge(
            "qaconv_gallery_capacity_detections", "Detections that the gallery can hold.", registry=self.registry
        )
        self.device_jobs_waiting = Gauge(
            "qaconv_device_jobs_waiting", "Jobs that wait for the device.", registry=self.registry
        )
        self.unsettled_writes = Gauge(
            "qaconv_unsettled_writes",
            "Detections whose record on disk is ahead of Redis or the device.",
            registry=self.registry,
        )

    def answer(self, components: Components) -> Response:
        """All metrics in Prometheus' text format, those of the components as they are now."""
        self.gallery_size.set(components.slots.size)
        self.gallery_capacity.set(components.slots.capacity)
        self.device_jobs_waiting.set(components.worker.waiting)
        self.unsettled_writes.set(len(components.writer.unsettled))
        return Response(generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class MetricsMiddleware:
    """Times every request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
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

        with self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, send_and_note)
            finally:
                labels = (_method(scope), _route(scope), status)
                self._metrics.request_seconds.labels(*labels).observe(time.perf_counter() - started)


def _route(scope: Scope) -> str:
    """The path's template: one label for all IDs."""
    template = getattr(scope.get("route"), "path_format", None)
    return template if isinstance(template, str) else _UNMATCHED


def _method(scope: Scope) -> str:
    """The method, where it is a known one: clients may send any word, and each would be a label for ever."""
    method = str(scope["method"])
    return method if method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH") else "other"
