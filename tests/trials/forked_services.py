"""Services that start within a fraction of a second, for trials that end them hundreds of times."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

_ROOT = Path(__file__).parents[2]
_STARTED = re.compile(r"listening on (http://\S+)")
_LONGEST_WAIT_SECONDS = 60


class ForkServer:
    """The parent of services; see `fork_server`."""

    def __init__(self) -> None:
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.trials.fork_server"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **one_thread},
            text=True,
        )
        assert self._read() == "forking\n"

    def fork(self, **order: object) -> int:
        """The process ID of a new service."""
        child = self._ask({"before": None, **order})
        assert isinstance(child, int)
        return child

    def exit_status(self, process_id: int) -> int | None:
        """How a service ended, below zero by which signal; None while it runs."""
        status = self._ask({"ended": process_id})
        assert status is None or isinstance(status, int)
        return status

    def close(self) -> None:
        """Ends the parent, which ends the services that still run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _ask(self, order: dict[str, Any]) -> object:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._read())

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@dataclass(slots=True)
class ForkedService:
    """A service in a process of its own, which may not listen yet."""

    parent: ForkServer
    process_id: int
    log_path: Path
    url: str = ""
    status: int | None = None
    client: httpx.Client = field(default_factory=lambda: httpx.Client(verify=False, timeout=60))

    @classmethod
    def fork(
        cls,
        parent: ForkServer,
        data_dir: Path,
        checkpoint: Path,
        before: tuple[str, ...] | None = None,
        **settings: object,
    ) -> "ForkedService":
        """Begins to start `qaconv-service serve` on a free loopback port.

        Args:
            parent: what forks it.
            data_dir: where it keeps its records; its log is beside that.
            checkpoint: what it serves.
            before: `module:function` and its arguments, which the process calls before anything else.
            settings: as in `service.settings`.
        """
        log_path = data_dir.parent / f"{data_dir.name}-{time.monotonic_ns()}.log"
        log_path.touch()
        process_id = parent.fork(
            log=str(log_path),
            environment={f"QACONV_{name.upper()}": str(value) for name, value in settings.items()},
            before=before and before[0],
            arguments_before=before and before[1:],
            arguments=[
                "serve", "--port", "0", "--data-dir", str(data_dir), "--checkpoint", str(checkpoint), "--device", "cpu"
            ],
        )  # fmt: skip
        return cls(parent, process_id, log_path)

    @classmethod
    def start(cls, *arguments: Any, **settings: Any) -> "ForkedService":  # noqa: ANN401 - those of `fork`
        """As `fork`, and waits until it is ready."""
        service = cls.fork(*arguments, **settings)
        try:
            service.wait_until_listening()
            service.wait_until_ready()
        except BaseException:
            service.kill()
            raise
        return service

    @property
    def log(self) -> str:
        """What the service printed so far."""
        return self.log_path.read_text(errors="replace")

    def wait_until_listening(self) -> None:
        """Waits until it says where it listens."""
        deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
        while (found := _STARTED.search(self.log)) is None:
            if self.has_ended():
                raise RuntimeError(f"the service ended with status {self.status}:\n{self.log}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the service did not listen within {_LONGEST_WAIT_SECONDS} s:\n{self.log}")
            time.sleep(0.005)
        self.url = found.group(1)

    def wait_until_ready(self) -> None:
        """Waits until /readyz says so."""
        deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
        while (answer := self.client.get(f"{self.url}/readyz")).status_code != 200:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready within {_LONGEST_WAIT_SECONDS} s: {answer.text}\n{self.log}")
            time.sleep(0.01)

    def has_ended(self) -> bool:
        """Whether the process is over; `status` says how."""
        if self.status is None:
            self.status = self.parent.exit_status(self.process_id)
        return self.status is not None

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Asks the service to end, as an operator does, and returns its exit status."""
        self._end(signal.SIGTERM)
        assert self.status is not None
        return self.status

    def wait_until_ended(self) -> int:
        """Its exit status, once it ended."""
        deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
        while not self.has_ended():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the service did not end within {_LONGEST_WAIT_SECONDS} s:\n{self.log}")
            time.sleep(0.005)
        assert self.status is not None
        return self.status

    def _end(self, number: int) -> None:
        self.client.close()
        if not self.has_ended():
            os.kill(self.process_id, number)
            self.wait_until_ended()
