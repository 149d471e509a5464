"""A Redis that tests end and start again at the same place."""

import os
import signal
import subprocess
from pathlib import Path

import redis

from service.storage.embedded_redis import find_redis_server
from tests.conftest import wait_for_redis


class StoppableRedis:
    """A redis-server on a Unix socket. It keeps nothing when it is ended, but what a client tells it to SAVE."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket = directory / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self, *more_options: str, waits: bool = True) -> None:
        options = ["--port", "0", "--unixsocket", str(self._socket), "--save", "", "--dir", str(self._directory)]
        environment = {**os.environ, "LC_ALL": "C"}
        command = [str(find_redis_server()), *options, *more_options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        if waits:
            wait_for_redis(self.url)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None
            self._socket.unlink(missing_ok=True)

    def pause(self) -> None:
        """It hangs: connections are taken, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, decode_responses=True)
