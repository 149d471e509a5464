"""The service that the demo starts: on loopback, with its records and its Redis in a folder that goes with it."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from demo.demo_error import DemoError

PREFERRED_PORT = 8000
# Importing PyTorch from a cold disk and finding the GPU take most of it.
_START_SECONDS = 180.0
_POLL_SECONDS = 0.2
_LOG_LINES = 30
# The demo has a service of its own: of the user's settings it takes those of the machine, and not where the user's
# records are.
_INHERITED_VARIABLES = ("QACONV_DEVICE", "QACONV_PRECISION", "QACONV_CHECKPOINT")


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that answers.

    Attributes:
        url: its address, without a slash at the end.
        folder: a place for files that are gone when the service is.
    """

    url: str
    folder: Path
    process: "subprocess.Popen[bytes]"

    def wait(self) -> None:
        """Return never, unless the service ends by itself.

        Raises:
            DemoError: it did; the message ends with its log.
        """
        status = self.process.wait()
        raise DemoError(f"the service ended by itself with exit status {status}.\n{read_log(self.folder)}")


@contextmanager
def start_service(console: Console) -> Iterator[RunningService]:
    """A service that is ready; it is ended, and its folder removed, with the block or with this process.

    Raises:
        DemoError: it did not start; the message ends with its log.
    """
    # The keeper may be quicker to remove it, or may have been killed: one of the two does.
    with tempfile.TemporaryDirectory(prefix="qaconv-demo-", ignore_cleanup_errors=True) as folder:
        port = choose_port()
        process = _launch(Path(folder), port)
        try:
            service = RunningService(f"http://127.0.0.1:{port}", Path(folder), process)
            with console.status("starting the service") as status:
                for missing in _until_ready(service):
                    status.update(f"starting the service: {missing}")
            yield service
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def choose_port(preferred: int = PREFERRED_PORT) -> int:
    """The preferred port of loopback where nobody has it, else any free one."""
    with socket.socket() as probe:
        # A port that was just closed is free; one that somebody listens on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read_log(folder: Path) -> str:
    """The last lines that the service wrote."""
    lines = _log_path(folder).read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(["The last lines of its log:", *lines[-_LOG_LINES:]]) if lines else "Its log is empty."


def _log_path(folder: Path) -> Path:
    return folder / "service.log"


def _launch(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    serve = [sys.executable, "-m", "service.main", "serve", "--host", "127.0.0.1", "--port", str(port)]
    keeper = [sys.executable, "-m", "demo.keeper", str(folder)]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("QACONV_") or name in _INHERITED_VARIABLES
    }
    # People read this log, where the demo fails.
    environment["QACONV_LOG_FORMAT"] = "text"
    with _log_path(folder).open("wb") as log:
        return subprocess.Popen(
            [*keeper, *serve, "--data-dir", str(folder / "data")],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            # Ctrl-C is for the demo alone, which then ends the service in order.
            start_new_session=True,
        )


def _until_ready(service: RunningService) -> Iterator[str]:
    """Yields what is still missing until nothing is."""
    give_up = time.monotonic() + _START_SECONDS
    with httpx.Client(base_url=service.url, timeout=5.0, trust_env=False) as client:
        while time.monotonic() < give_up:
            status = service.process.poll()
            if status is not None:
                raise DemoError(f"the service did not start (exit status {status}).\n{read_log(service.folder)}")
            try:
                response = client.get("/readyz")
            except httpx.TransportError:
                yield "it does not answer yet"
            else:
                if response.is_success:
                    return
                yield "recovering the gallery"
            time.sleep(_POLL_SECONDS)
    raise DemoError(f"the service was not ready after {_START_SECONDS:g} seconds.\n{read_log(service.folder)}")
