"""The container's health check, run as the container runs it, against a real server."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class ReadyHandler(BaseHTTPRequestHandler):
    """Answers `/readyz` with the server's status, anything else with 404."""

    def do_GET(self) -> None:
        status = self.server.ready_status if self.path == "/readyz" else 404
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"gallery: recovering")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test reads the check's output alone."""


@contextmanager
def serving(ready_status: int) -> Iterator[int]:
    """A server on a free port of loopback; gives the port."""
    with HTTPServer(("127.0.0.1", 0), ReadyHandler) as server:
        server.ready_status = ready_status
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def check(port: int) -> subprocess.CompletedProcess[str]:
    # A proxy that is not there: an engine may put one into every container, and loopback must not go through it.
    environment = os.environ | {"QACONV_PORT": str(port), "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    command = [sys.executable, str(ROOT / "deploy" / "healthcheck.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=30)


@pytest.mark.parametrize(("ready_status", "exit_status"), [(200, 0), (503, 1), (500, 1)])
def test_healthy_means_that_the_service_says_ready(ready_status: int, exit_status: int) -> None:
    with serving(ready_status) as port:
        result = check(port)
    assert result.returncode == exit_status
    assert result.stdout == f"{ready_status} gallery: recovering\n"


def test_nobody_listening_is_unhealthy() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        result = check(unused.getsockname()[1])
    assert result.returncode == 1
    assert "no answer from port" in result.stdout


def test_a_service_that_never_answers_is_unhealthy_before_the_engine_gives_up() -> None:
    (engine_timeout,) = re.findall(r"--timeout=(\d+)s", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        result = check(silent.getsockname()[1])
    assert result.returncode == 1
    assert "timed out" in result.stdout
    (own_timeout,) = re.findall(r"TIMEOUT_SECONDS = ([\d.]+)", (ROOT / "deploy" / "healthcheck.py").read_text("utf-8"))
    assert float(own_timeout) < float(engine_timeout)
