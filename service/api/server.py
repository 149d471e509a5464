"""Runs the service: one process, until it is told to end."""

import asyncio
import signal
import socket
from types import FrameType
from typing import NoReturn

import uvicorn
from fastapi import FastAPI
from prometheus_client import disable_created_metrics

from service.api.application import create_application
from service.api.guarded_connections import ConnectionLimits, guard_connections
from service.api.tls import ServedCertificate, limit_handshakes
from service.observability.log_lines import configure_logging
from service.settings import Settings
from service.shutdown_time import ShutdownTime


class _AnnouncingServer(uvicorn.Server):
    """Says where it listens, once it does: programs that start the service wait for this line. And when it ends."""

    def __init__(self, config: uvicorn.Config, shutdown_time: ShutdownTime) -> None:
        super().__init__(config)
        self._shutdown_time = shutdown_time

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            url = _url(listener, has_tls=self.config.ssl is not None)
            print(f"listening on {url}", flush=True)  # noqa: T201 (the line is for whoever started it)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._shutdown_time.begin()  # at once, so that the stream ends beside the requests and not after them
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM, then lets the requests in flight finish and closes everything.

    Raises:
        OSError: the address cannot be listened on.
        ValueError: the API keys or the certificate cannot be used.
        Exception: whatever `open_components` raises when disk, Redis, checkpoint or device cannot be opened.
    """
    configure_logging(settings.log_format)
    # When each series began: as many series again, and nobody asks for them.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        certificate = _load_certificate(settings)
        with _bind(settings.host, settings.port) as listener:
            application = create_application(settings)
            configuration = uvicorn.Config(
                application,
                http=guard_connections(ConnectionLimits.of(settings), application.state.metrics),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                ws="none",
                # Uvicorn's own default believes every program on this machine where a request comes from.
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_graceful_shutdown=settings.shutdown_timeout_seconds,
            )
            configuration.load()
            configuration.ssl = certificate.context if certificate else None
            server = _AnnouncingServer(configuration, application.state.shutdown)
            application.state.metrics.watch(
                "qaconv_http_connections", "Open connections.", lambda: len(server.server_state.connections)
            )
            with asyncio.Runner(loop_factory=configuration.get_loop_factory()) as runner:
                if certificate:
                    limit_handshakes(runner.get_loop(), settings.header_timeout_seconds)
                runner.run(_serve(application, server, listener, certificate))
    except KeyboardInterrupt:
        pass  # The server ended as it was told to; uvicorn raises the signal again when it is done.
    finally:
        signal.signal(signal.SIGTERM, before)


def _load_certificate(settings: Settings) -> ServedCertificate | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return ServedCertificate(settings.tls_certificate, settings.tls_key)


async def _serve(
    application: FastAPI, server: uvicorn.Server, listener: socket.socket, certificate: ServedCertificate | None
) -> None:
    # The lifespan is entered here and not by uvicorn, which would turn its errors into log lines and an exit status.
    async with application.router.lifespan_context(application):
        watch = asyncio.create_task(certificate.watch()) if certificate else None
        try:
            await server.serve([listener])
        finally:
            if watch is not None:
                watch.cancel()
                await asyncio.wait([watch])


def _bind(host: str, port: int) -> socket.socket:
    """A socket that has the address already: one that is taken is found before anything is loaded."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}; choose another port") from error
    return listener


def _url(listener: socket.socket, *, has_tls: bool) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if has_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
