"""Puts the HTTP interface together."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from service.access.key_ring import open_key_ring
from service.access.scope import Scope
from service.api import batch, clock, compare, detections, erasures, search, status
from service.api.access import add_access_middleware, measure_key_file, watched_keys
from service.api.behind_proxy import BehindProxyMiddleware
from service.api.body_limit import BodyLimitMiddleware
from service.api.deadline import DeadlineMiddleware
from service.api.disconnect import DisconnectMiddleware
from service.api.documentation_page import render_documentation
from service.api.head import HeadMiddleware
from service.api.metrics import MetricsMiddleware, watch_process
from service.api.openapi_document import DocumentedApplication
from service.api.problems import install_problem_handlers
from service.api.request_id import RequestIdMiddleware
from service.api.request_limit import RequestLimitMiddleware
from service.api.required_scope import refuse_unguarded_routes, requires
from service.api.security_headers import DOCUMENTATION_POLICY
from service.api.stream_entries import stream_entry_reader
from service.audit.audit_upkeep import serving_on_record
from service.audit.audited_keys import KeysOnRecord
from service.audit.on_record import retention_recorder
from service.components import Components, open_components
from service.erasure.apply_retention import keep_retention
from service.erasure.complete_erasures import keep_erasures_complete
from service.erasure.report_kept_crops import report_kept_crops
from service.ingest.consume_stream import consuming_stream
from service.observability.component_metrics import watch_components
from service.observability.metrics import Metrics
from service.recover_gallery import keep_in_step, recover_gallery
from service.settings import Settings
from service.shutdown_time import ShutdownTime

_DESCRIPTION = (
    "Finds a person again: cameras send crops of people, a client sends one crop and gets the detections of the same "
    "person, ranked, with the places where the two crops agree. Errors are problem documents (RFC 9457). Unknown "
    "fields, query parameters and JSON members are errors. HEAD answers what GET does, without the body."
)

_log = logging.getLogger(__name__)


def create_application(settings: Settings) -> FastAPI:
    """The service as an ASGI application. Its lifespan opens disk, Redis and device, and recovers the gallery.

    Raises:
        KeyFileError: the API keys cannot be read, or there are none where there must be.
        ValueError: a call has no scope.
    """
    key_ring = open_key_ring(settings)
    application = DocumentedApplication(
        title="Gallery matching",
        version="1",
        description=_DESCRIPTION,
        lifespan=_run_components,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        root_path=settings.root_path,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        generate_unique_id_function=lambda route: route.name,
    )
    application.state.settings = settings
    application.state.metrics = Metrics()
    application.state.key_ring = key_ring
    application.state.shutdown = ShutdownTime(settings.shutdown_timeout_seconds)
    if key_ring is not None:
        measure_key_file(application.state.metrics.registry, key_ring)
    watch_process(application.state.metrics)
    for part in (detections, batch, erasures, search, compare, clock, status):
        application.include_router(part.router)
    for path, answer in (("/docs", _get_documentation), ("/openapi.json", _get_document)):
        application.add_api_route(path, answer, include_in_schema=False, dependencies=[requires(Scope.READ)])
    refuse_unguarded_routes(application)
    install_problem_handlers(application)
    _add_middleware(application, settings)
    return application


def _add_middleware(application: FastAPI, settings: Settings) -> None:
    """The last one added is the outermost: it sees the request first and the answer last."""
    application.add_middleware(HeadMiddleware)
    application.add_middleware(BodyLimitMiddleware, max_body_bytes=settings.max_body_bytes)
    application.add_middleware(DisconnectMiddleware)
    application.add_middleware(DeadlineMiddleware, timeout_seconds=settings.request_timeout_seconds)
    metrics = application.state.metrics
    application.add_middleware(RequestLimitMiddleware, max_requests=settings.max_requests, metrics=metrics)
    add_access_middleware(application, settings, application.state.key_ring)
    application.add_middleware(MetricsMiddleware, metrics=metrics)
    application.add_middleware(RequestIdMiddleware)
    application.add_middleware(
        BehindProxyMiddleware, trusted_proxies=settings.trusted_proxies, root_path=settings.root_path
    )


@asynccontextmanager
async def _run_components(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    read_entry = stream_entry_reader(settings.max_body_bytes)
    async with (
        open_components(settings, application.state.metrics) as components,
        watched_keys(application.state.key_ring, KeysOnRecord(components.audit)),
        consuming_stream(components, read_entry, application.state.shutdown),
    ):
        application.state.components = components
        watch_components(components)
        background = asyncio.create_task(_recover_and_keep_in_step(components))
        try:
            async with serving_on_record(components):
                yield
        finally:
            background.cancel()
            await asyncio.wait([background])
            del application.state.components


async def _recover_and_keep_in_step(components: Components) -> None:
    try:
        await recover_gallery(components)
    except Exception as error:
        # The service stays up, so that /readyz can say why it is of no use.
        _log.exception("the gallery was not recovered: every call will be refused")
        components.recovery.progress = f"it failed, and needs somebody: {error}"
        return
    await report_kept_crops(components)
    await asyncio.gather(
        keep_in_step(components),
        keep_retention(components, on_erased=retention_recorder(components)),
        keep_erasures_complete(components),
    )


async def _get_documentation(request: Request) -> Response:
    """The page for people."""
    policy = {"Content-Security-Policy": DOCUMENTATION_POLICY}
    return HTMLResponse(render_documentation(request.app.openapi()), HTTPStatus.OK, policy)


async def _get_document(request: Request) -> Response:
    """The same for programs."""
    return JSONResponse(request.app.openapi())
