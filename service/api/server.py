"""Runs the service: one process, until it is told to end."""

import asyncio
import resource
import signal
import socket
from types import FrameType
from typing import Any, NoReturn

import uvloop
from fastapi import FastAPI
from prometheus_client import disable_created_metrics

from service.api.application import create_application
from service.api.http_connection import ConnectionLimits, HttpConnections
from service.api.tls import ServedCertificate
from service.observability.log_lines import configure_logging
from service.settings import Settings
from service.shutdown_time import ShutdownTime

# Connections that the kernel keeps until they are accepted.
_BACKLOG = 2048
# Of files, Redis, the device, clients that begin TLS: a service at rest has some 40.
_OTHER_DESCRIPTORS = 128


def serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM, then lets the requests in flight finish and closes everything.

    Raises:
        OSError: the address cannot be listened on.
        ValueError: the API keys or the certificate cannot be used, or there are too few file descriptors.
        Exception: whatever `open_components` raises when disk, Redis, checkpoint or device cannot be opened.
    """
    configure_logging(settings.log_format)
    # When each series began: as many series again, and nobody asks for them.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        _make_room_for(settings.max_connections)
        certificate = _load_certificate(settings)
        with _bind(settings.host, settings.port) as listener:
            application = create_application(settings)
            metrics = application.state.metrics
            connections = HttpConnections(application, ConnectionLimits.of(settings), metrics)
            metrics.watch("qaconv_http_connections", "Open connections.", lambda: len(connections.opened))
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(application, connections, listener, certificate))
    except KeyboardInterrupt:
        pass  # It was told to end before it served.
    finally:
        signal.signal(signal.SIGTERM, before)


def _make_room_for(max_connections: int) -> None:
    """Sees to it that the process may have a file descriptor for each connection.

    Raises:
        ValueError: it may not.
    """
    needed = max_connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ValueError(
            f"{max_connections} connections and {_OTHER_DESCRIPTORS} descriptors for all else are {needed}, and this "
            f"process may have {hard}: set QACONV_MAX_CONNECTIONS to {max(1, hard - _OTHER_DESCRIPTORS)} or less, or "
            "raise the limit (ulimit -n, LimitNOFILE=)"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _load_certificate(settings: Settings) -> ServedCertificate | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return ServedCertificate(settings.tls_certificate, settings.tls_key)


async def _serve(
    application: FastAPI, connections: HttpConnections, listener: socket.socket, certificate: ServedCertificate | None
) -> None:
    async with application.router.lifespan_context(application):
        watch = asyncio.create_task(certificate.watch()) if certificate else None
        try:
            await _serve_until_told(connections, listener, certificate, application.state.shutdown)
        finally:
            if watch is not None:
                watch.cancel()
                await asyncio.wait([watch])


async def _serve_until_told(
    connections: HttpConnections,
    listener: socket.socket,
    certificate: ServedCertificate | None,
    shutdown_time: ShutdownTime,
) -> None:
    """Says where it listens, once it does: programs that start the service wait for this line."""
    tls: dict[str, Any] = {}
    if certificate is not None:
        # Their own limits are a minute and half of one: so long a client that sends nothing would have a descriptor,
        # before and after it is a connection that anything else limits.
        seconds = connections.limits.header_seconds
        tls = {"ssl": certificate.context, "ssl_handshake_timeout": seconds, "ssl_shutdown_timeout": seconds}
    loop = asyncio.get_running_loop()
    told_to_end = asyncio.Event()
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        loop.add_signal_handler(each, told_to_end.set)
    try:
        server = await loop.create_server(connections, sock=listener, backlog=_BACKLOG, **tls)
        print(f"listening on {_url(listener, has_tls=certificate is not None)}", flush=True)  # noqa: T201 (see above)
        await told_to_end.wait()
        server.close()
        shutdown_time.begin()  # at once, so that the stream ends beside the requests and not after them
        await connections.stop(shutdown_time.seconds_left)
    finally:
        for each, handler in before.items():
            loop.remove_signal_handler(each)
            signal.signal(each, handler)


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
