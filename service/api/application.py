"""Puts the HTTP interface together."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from service.api import batch, compare, detections, search, status
from service.api.body_limit import BodyLimitMiddleware
from service.api.deadline import DeadlineMiddleware
from service.api.documentation_page import render_documentation
from service.api.metrics import Metrics, MetricsMiddleware
from service.api.openapi_document import DocumentedApplication
from service.api.problems import install_problem_handlers
from service.api.request_id import RequestIdMiddleware
from service.api.request_limit import RequestLimitMiddleware
from service.api.stream_entries import stream_entry_reader
from service.components import Components, open_components
from service.consume_stream import consuming_stream
from service.recover_gallery import keep_in_step, recover_gallery
from service.settings import Settings

_DESCRIPTION = (
    "Finds a person again: cameras send crops of people, a client sends one crop and gets the detections of the same "
    "person, ranked, with the places where the two crops agree. Errors are problem documents (RFC 9457). Unknown "
    "fields, query parameters and JSON members are errors."
)

_log = logging.getLogger(__name__)


def create_application(settings: Settings) -> FastAPI:
    """The service as an ASGI application. Its lifespan opens disk, Redis and device, and recovers the gallery."""
    application = DocumentedApplication(
        title="Gallery matching",
        version="1",
        description=_DESCRIPTION,
        lifespan=_run_components,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    application.state.settings = settings
    application.state.metrics = Metrics()
    for part in (detections, batch, search, compare, status):
        application.include_router(part.router)
    application.add_api_route("/docs", _get_documentation, include_in_schema=False)
    install_problem_handlers(application)
    _add_middleware(application, settings)
    return application


def _add_middleware(application: FastAPI, settings: Settings) -> None:
    """The last one added is the outermost: it sees the request first and the answer last."""
    application.add_middleware(BodyLimitMiddleware, max_body_bytes=settings.max_body_bytes)
    application.add_middleware(DeadlineMiddleware, timeout_seconds=settings.request_timeout_seconds)
    application.add_middleware(RequestLimitMiddleware, max_requests=settings.max_requests)
    application.add_middleware(MetricsMiddleware, metrics=application.state.metrics)
    application.add_middleware(RequestIdMiddleware)


@asynccontextmanager
async def _run_components(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    read_entry = stream_entry_reader(settings.max_body_bytes)
    async with open_components(settings) as components, consuming_stream(components, read_entry):
        application.state.components = components
        background = asyncio.create_task(_recover_and_keep_in_step(components))
        try:
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
    await keep_in_step(components)


async def _get_documentation(request: Request) -> Response:
    """The page for people."""
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return HTMLResponse(render_documentation(request.app.openapi()), HTTPStatus.OK, policy)
