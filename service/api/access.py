"""Puts everything that decides who may ask around the application, in the order in which it is asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Gauge
from starlette.middleware.cors import CORSMiddleware

from service.access.key_ring import KeyRing, OnKeyChange
from service.api.access_control import AccessControlMiddleware
from service.api.browser_guard import BrowserGuardMiddleware
from service.api.request_id import REQUEST_ID_HEADER
from service.api.security_headers import SecurityHeadersMiddleware
from service.settings import Settings, is_loopback

_CORS_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
_CORS_HEADERS = ("Authorization", "Content-Type", REQUEST_ID_HEADER, "traceparent", "tracestate")
_CORS_EXPOSED = (REQUEST_ID_HEADER, "Location", "Retry-After", "WWW-Authenticate")


def add_access_middleware(application: FastAPI, settings: Settings, key_ring: KeyRing | None) -> None:
    """The last one added is the outermost: headers on every answer, foreign pages, preflights (no key), keys."""
    application.add_middleware(AccessControlMiddleware, key_ring=key_ring)
    if settings.cors_origins:
        application.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=_CORS_METHODS,
            allow_headers=_CORS_HEADERS,
            expose_headers=_CORS_EXPOSED,
        )
    is_private = is_loopback(settings.host) and not settings.allow_remote_without_keys
    # A page that is led here by a name that points here has no key: with keys, any name will do.
    guards_hosts = key_ring is None and (is_private or bool(settings.allowed_hosts))
    application.add_middleware(
        BrowserGuardMiddleware,
        allowed_origins=settings.cors_origins,
        allowed_hosts=settings.allowed_hosts if guards_hosts else None,
    )
    application.add_middleware(SecurityHeadersMiddleware, has_tls=settings.tls_certificate is not None)


def measure_key_file(registry: CollectorRegistry, key_ring: KeyRing) -> None:
    """Tell Prometheus whether changes of the key file are taken up."""
    gauge = Gauge(
        "qaconv_api_keys_file_current",
        "1 while the API keys are those of the key file; 0 when it cannot be read and the last good ones are in use.",
        registry=registry,
    )
    gauge.set_function(lambda: float(key_ring.problem is None))


@asynccontextmanager
async def watched_keys(key_ring: KeyRing | None, on_change: OnKeyChange) -> AsyncIterator[None]:
    """Keeps the keys current inside the block, and tells `on_change` of those at first and of every change."""
    if key_ring is None:
        yield
        return
    watch = asyncio.create_task(key_ring.watch(on_change))
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait([watch])
