"""A real service in a process of its own, for tests that speak HTTP to it, kill it and start it again."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

_STARTED = re.compile(r"listening on (https?://\S+)")
# For a machine that does much else: every start imports PyTorch.
_START_SECONDS = 120


@dataclass(slots=True)
class RunningService:
    """A service process and where it listens."""

    process: "subprocess.Popen[str]"
    url: str
    log_path: Path

    @classmethod
    def start(cls, data_dir: Path, checkpoint: Path, **settings: object) -> "RunningService":
        """Starts `qaconv-service serve` on a free loopback port and waits until it is ready."""
        log_path = data_dir.parent / f"{data_dir.name}-{time.monotonic_ns()}.log"
        variables = {f"QACONV_{name.upper()}": str(value) for name, value in settings.items()}
        flags = ["--port", "0", "--data-dir", str(data_dir), "--checkpoint", str(checkpoint), "--device", "cpu"]
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "service.main", "serve", *flags],
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
                text=True,
            )
        service = cls(process, "", log_path)
        try:
            service._wait_until_listening()
            service.wait_until_ready()
        except BaseException:
            service.kill()
            raise
        return service

    def wait_until_ready(self) -> None:
        """Waits until /readyz says so."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            # Unverified: whether the certificate is the right one is for a test to ask.
            if httpx.get(f"{self.url}/readyz", timeout=10, verify=False).status_code == 200:
                return
            time.sleep(0.05)
        raise TimeoutError(f"the service was not ready within {_START_SECONDS} s:\n{self.log}")

    @property
    def log(self) -> str:
        """What the service printed so far."""
        return self.log_path.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Asks the service to end, as an operator does, and returns its exit status."""
        self.process.terminate()
        return self.process.wait(60)

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if (found := _STARTED.search(self.log)) is not None:
                self.url = found.group(1)
                return
            if self.process.poll() is not None:
                raise RuntimeError(f"the service ended with status {self.process.returncode}:\n{self.log}")
            time.sleep(0.05)
        raise TimeoutError(f"the service did not listen within {_START_SECONDS} s:\n{self.log}")
