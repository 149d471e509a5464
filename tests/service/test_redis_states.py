"""Every state that a real Redis may be in, at a start and while the service runs: 503 with Retry-After, not ready, and
when the state ends, all goes on by itself. The table is that of docs/guarantees.md.
"""

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from service.components import open_components
from service.settings import Settings
from service.storage.embedded_redis import find_redis_server
from tests.conftest import free_port
from tests.service.made_certificates import write_certificate
from tests.service.running_application import RunningApplication, run_application
from tests.service.stoppable_redis import StoppableRedis
from tests.service.stored_crops import check_agreement

pytestmark = pytest.mark.anyio

Client = redis.Redis


@dataclass(frozen=True)
class State:
    """How a Redis is brought into a state and out of it again, and what the service says of it meanwhile."""

    name: str
    begin: Callable[[Client], object]
    end: Callable[[Client], object]
    words: str


def configure(**options: str | int) -> Callable[[Client], object]:
    return lambda client: [client.config_set(name.replace("_", "-"), value) for name, value in options.items()]


def allow(*rules: str) -> Callable[[Client], object]:
    """Rules of the access list for the user that the service is; the test's own client keeps what it needs."""
    return lambda client: client.execute_command("ACL", "SETUSER", "default", *rules)


def run_a_script_without_end(client: Client) -> None:
    client.config_set("lua-time-limit", 1)
    another = redis.Redis(unix_socket_path=client.connection_pool.connection_kwargs["path"], socket_timeout=60)

    def run() -> None:
        with suppress(redis.RedisError):  # it is killed
            another.eval("while true do end", 0)
        another.close()

    threading.Thread(target=run, daemon=True).start()
    while True:
        try:
            client.ping()
        except redis.ResponseError:
            return
        time.sleep(0.005)


def require_a_password(client: Client) -> None:
    client.config_set("requirepass", "secret")
    client.client_kill_filter(_type="normal", skipme=True)


def end_the_password(client: Client) -> None:
    client.auth("secret")
    client.config_set("requirepass", "")


STATES = [
    State(
        "too few replicas",
        configure(min_replicas_to_write=1),
        configure(min_replicas_to_write=0),
        "min-replicas-to-write",
    ),
    State("a script blocks it", run_a_script_without_end, lambda client: client.script_kill(), "SCRIPT KILL"),
    State("no memory", configure(maxmemory=1), configure(maxmemory=0), "maxmemory"),
    State(
        "a replica",
        lambda client: client.execute_command("REPLICAOF", "127.0.0.1", free_port()),
        lambda client: client.execute_command("REPLICAOF", "NO", "ONE"),
        "replica",
    ),
    State("INFO forbidden", allow("-info"), allow("+info"), "access list"),
    State("writes forbidden", allow("-@write"), allow("+@write"), "access list"),
    State("all keys forbidden", allow("resetkeys", "~other:*"), allow("resetkeys", "~*"), "access list"),
    State("a password is wanted", require_a_password, end_the_password, "password"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoppableRedis]:
    server = StoppableRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def client(server: StoppableRedis) -> Iterator[Client]:
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def settings(settings: Settings, server: StoppableRedis, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr("service.recover_gallery._SECONDS_BETWEEN_CHECKS", 0.05)
    return settings.model_copy(update={"redis_url": server.url})


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.02)


async def refusal(running: RunningApplication) -> str:
    """What a write and readiness are answered; nothing is half done."""
    before = running.components.store.count()
    put = await running.put("new", 9)
    ready = await running.client.get("/readyz")
    assert (put.status_code, ready.status_code) == (503, 503), (put.text, ready.text)
    assert int(put.headers["Retry-After"]) > 0
    assert running.components.store.count() == before
    assert running.components.writer.unsettled == frozenset()
    assert put.json()["detail"] in ready.json()["detail"] or "starting" in put.json()["detail"]
    return str(ready.json()["detail"])


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
async def test_while_it_runs(settings: Settings, client: Client, state: State) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        assert (await running.put("a")).status_code == 201
        state.begin(client)
        try:
            assert state.words in await refusal(running)
        finally:
            state.end(client)
        await running.wait_until_ready()
        assert (await running.put("new", 9)).status_code == 201
        assert await check_agreement(running.components) == ["a", "new"]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
async def test_at_a_start(settings: Settings, client: Client, state: State) -> None:
    state.begin(client)
    try:
        async with run_application(settings) as running:
            while (
                "starting" not in (await running.put("new", 9)).text
                or state.words not in running.components.recovery.progress
            ):
                pass
            assert state.words in await refusal(running)
            state.end(client)
            await running.wait_until_ready()
            assert (await running.put("new", 9)).status_code == 201
            assert await check_agreement(running.components) == ["new"]
    finally:
        with suppress(redis.RedisError):
            state.end(client)


@pytest.mark.parametrize("key", ["times", "cameras", "camera:c:times", "detection:a", "in_step"])
async def test_a_key_of_another_type_is_put_right(settings: Settings, client: Client, key: str) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        assert (await running.put("a")).status_code == 201
        name = f"qaconv:{key}"
        client.delete(name)
        client.rpush(name, "another program's")
        statuses = [(await running.put("a", 2)).status_code, (await running.put("b", 3)).status_code]
        assert set(statuses) <= {200, 201, 503}
        await running.wait_until_ready()
        while (await running.put("a", 2)).status_code != 200 or (await running.put("b", 3)).status_code not in (
            200,
            201,
        ):
            pass
        assert await check_agreement(running.components) == ["a", "b"]


@pytest.mark.parametrize("key", ["times", "cameras", "camera:c:times", "detection:a", "in_step"])
async def test_a_key_of_another_type_at_a_start(settings: Settings, client: Client, key: str) -> None:
    client.rpush(f"qaconv:{key}", "another program's")
    async with run_application(settings) as running:
        await running.wait_until_ready()
        assert (await running.put("a")).status_code == 201
        assert await check_agreement(running.components) == ["a"]


async def test_keys_and_values_that_are_not_utf_8(settings: Settings, client: Client) -> None:
    client.set(b"qaconv:other\xff", b"\xff")
    async with run_application(settings) as running:
        await running.wait_until_ready()
        assert (await running.put("a")).status_code == 201
        client.hset("qaconv:detection:a", "camera_id", b"\xff")
        client.zadd("qaconv:times", {b"\xff": 1})
        found = await running.client.get("/v1/detections")
        assert (found.status_code, "is damaged" in found.json()["detail"]) == (503, True)
        await running.wait_until_ready()
        assert (await running.put("b", 2)).status_code == 201
        assert await check_agreement(running.components) == ["a", "b"]
    assert client.exists(b"qaconv:other\xff")


async def test_a_database_that_is_not_there(settings: Settings, client: Client, server: StoppableRedis) -> None:
    async with run_application(settings.model_copy(update={"redis_url": f"{server.url}?db=99"})) as running:
        assert (await running.put("new", 9)).status_code == 503
        await until(lambda: "number at the end of QACONV_REDIS_URL" in running.components.recovery.progress)


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--cluster-enabled", "yes"], "is a cluster"), (["--sentinel"], "is a Sentinel")],
    ids=["a cluster", "a Sentinel"],
)
async def test_what_can_never_serve_is_refused_by_name(
    settings: Settings, tmp_path: Path, options: list[str], words: str
) -> None:
    port = free_port()
    configuration = tmp_path / "redis.conf"
    configuration.write_text(f"port {port}\ndir {tmp_path}\nbind 127.0.0.1\n")
    process = subprocess.Popen(
        [find_redis_server(), configuration, *options], stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"}
    )
    try:
        with redis.Redis(port=port) as client:
            while True:
                with suppress(redis.ConnectionError):
                    client.ping()
                    break
        for setting in ("redis_url", "stream_redis_url"):
            changed = settings.model_copy(update={setting: f"redis://127.0.0.1:{port}"})
            with pytest.raises(ValueError, match=f"the Redis of QACONV_{setting.upper()} {words}"):
                async with open_components(changed):
                    pass
    finally:
        process.terminate()
        process.wait(10)


async def test_redis_over_tls(settings: Settings, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(certificate, key, "redis")
    port = free_port()
    tls = ["--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no"]
    command = [find_redis_server(), "--port", "0", "--save", "", "--dir", tmp_path, "--requirepass", "s#cret", *tls]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"})
    try:
        assert process.stdout is not None
        said = b""
        while b"Ready to accept" not in said:
            line = process.stdout.readline()
            said += line
            if not line:
                pytest.skip(f"this redis-server has no TLS: {said.decode()[-200:]}")
        url = f"rediss://:s%23cret@127.0.0.1:{port}/0"
        async with run_application(
            settings.model_copy(update={"redis_url": f"{url}?ssl_ca_certs={certificate}"})
        ) as running:
            await running.wait_until_ready()
            assert (await running.put("a")).status_code == 201
        async with run_application(settings.model_copy(update={"redis_url": url})) as running:
            await until(lambda: "CERTIFICATE_VERIFY_FAILED" in running.components.recovery.progress)
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
