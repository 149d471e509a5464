"""A real service process for the benchmarks, on loopback with its embedded Redis, and what memory the two take."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

_ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 600
_POLL_SECONDS = 0.2  # more often, and answering would slow the start that is measured
_LISTENING = re.compile(r"listening on (http://\S+)")


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes.

    Attributes:
        own: of the service, but for `mapped`.
        mapped: of files that it has mapped, the records above all: the system takes these back when it needs them.
        redis: of the embedded Redis and the shell that guards it.
    """

    own: int
    mapped: int
    redis: int


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """A service that is ready; `start_seconds` from the start of its process until it was."""

    url: str
    process: "subprocess.Popen[bytes]"
    start_seconds: float

    def memory(self) -> Memory:
        """Of now."""
        service = psutil.Process(self.process.pid)
        resident = service.memory_info()
        others = sum(child.memory_info().rss for child in service.children(recursive=True))
        return Memory(resident.rss - resident.shared, resident.shared, others)

    def processor_seconds(self) -> float:
        """That the service itself has used so far, on all cores."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def gallery_bytes(self) -> int:
        """What the maps of its detections take of the device's memory."""
        gallery = httpx.get(f"{self.url}/v1/gallery", timeout=60).raise_for_status().json()
        return int(gallery["size"] * gallery["bytes_per_detection"])


@contextmanager
def serve(data_dir: Path, **settings: object) -> Iterator[ServiceProcess]:
    """A service on a data directory; ended with the block.

    Args:
        data_dir: with a gallery, or not there yet.
        settings: by their names in `Settings`. Those of the environment do not count.

    Raises:
        RuntimeError: it did not start; with its log.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("QACONV_")}
    variables = {f"QACONV_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "service.main", "serve", "--port", "0", "--data-dir", str(data_dir)]
    log_path = data_dir.with_name(f"{data_dir.name}.log")
    started = time.perf_counter()
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**own, **variables}, cwd=_ROOT)
    try:
        url = _wait_until_ready(process, log_path)
        yield ServiceProcess(url, process, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_ready(process: "subprocess.Popen[bytes]", log_path: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = _LISTENING.search(log_path.read_text(errors="replace"))
        if found is not None and httpx.get(f"{found[1]}/readyz", timeout=30).status_code == httpx.codes.OK:
            return found[1]
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"the service was not ready within {_START_SECONDS} s:\n{log_path.read_text(errors='replace')}")
