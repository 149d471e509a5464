"""A Redis that is gone, hangs, refuses, is a replica, loses keys or comes back empty: nothing is half done, and the
service goes on by itself.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import redis

from service import recover_gallery as recovery
from service.settings import Settings
from tests.conftest import free_port
from tests.service.running_application import RunningApplication, run_application
from tests.service.stoppable_redis import StoppableRedis
from tests.service.stored_crops import check_agreement

pytestmark = pytest.mark.anyio

IDS = [f"d{number}" for number in range(6)]


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[StoppableRedis]:
    server = StoppableRedis(tmp_path)
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def six_detections(settings: Settings) -> AsyncIterator[RunningApplication]:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        for number, detection_id in enumerate(IDS):
            assert (await running.put(detection_id, number)).status_code == 201
        yield running


@pytest.fixture
async def running(settings: Settings, own_redis: StoppableRedis) -> AsyncIterator[RunningApplication]:
    async with six_detections(settings.model_copy(update={"redis_url": own_redis.url})) as running:
        yield running


async def assert_refused(running: RunningApplication) -> None:
    """Searches, writes and erasures are 503, the service is not ready, and nothing is half done."""
    before = {each.detection_id: each for each in running.components.store.iterate_metadata()}
    answers = await asyncio.gather(
        running.put("new", 9),
        running.put("d0", 9),
        running.client.delete("/v1/detections/d1"),
        running.search(camera_id="c", timestamp="1790000000"),
        running.client.get("/readyz"),
        running.client.get("/v1/detections"),
    )
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert {each.detection_id: each for each in running.components.store.iterate_metadata()} == before
    assert running.components.slots.size == len(before)
    assert running.components.writer.unsettled == frozenset()


async def assert_resumed(running: RunningApplication, stored: list[str] = IDS) -> None:
    await running.wait_until_ready()
    assert (await running.put("new", 9)).status_code == 201
    found = (await running.search(camera_id="c", timestamp="1790000000")).raise_for_status().json()
    assert sorted(match["detection_id"] for match in found["matches"]) == sorted([*stored, "new"])
    assert await check_agreement(running.components) == sorted([*stored, "new"])


async def eventually(is_true: Callable[[], bool], timeout_seconds: float = 60.0) -> None:
    async with asyncio.timeout(timeout_seconds):
        while not is_true():
            await asyncio.sleep(0.02)


async def test_redis_is_gone_and_comes_back_empty(
    running: RunningApplication, own_redis: StoppableRedis, caplog: pytest.LogCaptureFixture
) -> None:
    own_redis.kill()
    for _ in range(3):
        await assert_refused(running)
        await asyncio.sleep(1.0)
    lines = [record for record in caplog.records if record.name == "service.recover_gallery"]
    assert len([record for record in lines if "not in step" in record.getMessage()]) <= 2
    own_redis.start()
    await assert_resumed(running)


async def test_redis_hangs(running: RunningApplication, own_redis: StoppableRedis) -> None:
    own_redis.pause()
    try:
        await asyncio.wait_for(assert_refused(running), 15)
    finally:
        own_redis.resume()
    await assert_resumed(running)


async def test_redis_has_no_memory_left(running: RunningApplication, own_redis: StoppableRedis) -> None:
    with own_redis.client() as client:
        client.config_set("maxmemory", 1)
        assert (await running.put("new", 9)).status_code == 503
        assert running.components.store.get_metadata("new") is None
        assert (await running.search()).status_code == 200
        # Whoever asks for pictures to be erased is not told that there is no room to do so.
        assert (await running.client.delete("/v1/detections/d1")).status_code == 204
        client.config_set("maxmemory", 0)
    await assert_resumed(running, [each for each in IDS if each != "d1"])


async def test_redis_has_become_a_replica(running: RunningApplication, own_redis: StoppableRedis) -> None:
    with own_redis.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", free_port())  # of a primary that is not there
        for answer in (await running.put("new", 9), await running.client.delete("/v1/detections/d1")):
            assert answer.status_code == 503
            assert "replica" in answer.json()["detail"]
        assert sorted(each.detection_id for each in running.components.store.iterate_metadata()) == IDS
        assert running.components.writer.unsettled == frozenset()
        client.execute_command("REPLICAOF", "NO", "ONE")
    await assert_resumed(running)


async def test_redis_is_loading(running: RunningApplication, own_redis: StoppableRedis) -> None:
    with own_redis.client() as client:
        client.mset({f"another program's key {number}": "value" * 500 for number in range(500)})
        client.save()
    own_redis.kill()
    slowly = ["--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024"]
    own_redis.start(*slowly, waits=False)
    async with asyncio.timeout(10):
        while "loading" not in (await running.client.get("/readyz")).json()["detail"]:
            await asyncio.sleep(0.02)
    await assert_refused(running)
    await assert_resumed(running)


async def test_redis_cannot_save(running: RunningApplication, own_redis: StoppableRedis, tmp_path: Path) -> None:
    with own_redis.client() as client:
        client.config_set("save", "1 1")
        (tmp_path / "dump.rdb").mkdir()  # so that a snapshot cannot be put in its place
        client.set("another program's key", "value")
        client.bgsave()
        async with asyncio.timeout(20):
            while client.info("persistence")["rdb_last_bgsave_status"] != "err":
                await asyncio.sleep(0.05)
        answer = await running.put("new", 9)
        assert (answer.status_code, "cannot save" in answer.json()["detail"]) == (503, True)
        assert running.components.store.get_metadata("new") is None
        client.config_set("save", "")
    await assert_resumed(running)


@pytest.mark.parametrize("kind", ["a listed detection", "by eviction"])
async def test_single_keys_that_vanish_are_noticed(
    running: RunningApplication, own_redis: StoppableRedis, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(recovery, "_SECONDS_BETWEEN_COUNTS", 0.1)
    with own_redis.client() as client:
        if kind == "a listed detection":
            client.zrem("qaconv:times", "d3")
        else:
            client.config_set("maxmemory-policy", "allkeys-random")
            client.config_set("maxmemory", 1)
            for _ in range(20):
                client.get("nothing")
            await eventually(lambda: client.info("stats")["evicted_keys"] > 0)
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 0)
        await eventually(lambda: client.zcard("qaconv:times") == len(IDS))
        await eventually(lambda: all(client.exists(f"qaconv:detection:{each}") for each in IDS))
    await assert_resumed(running)


async def test_an_embedded_redis_that_is_killed_is_started_again_and_filled(settings: Settings) -> None:
    async with six_detections(settings) as running:
        url = running.components.index._client.connection_pool.connection_kwargs["path"]
        for _ in range(2):
            with redis.Redis(unix_socket_path=url) as client:
                process_id = client.info("server")["process_id"]
            os.kill(process_id, signal.SIGKILL)
            await eventually(lambda gone=process_id: not psutil.pid_exists(gone))
            assert (await running.client.get("/readyz")).status_code == 503
            began = asyncio.get_running_loop().time()
            await running.wait_until_ready()
            assert asyncio.get_running_loop().time() - began < 10
            assert await check_agreement(running.components) == IDS
        await assert_resumed(running)
