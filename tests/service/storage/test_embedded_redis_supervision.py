"""A private Redis that ends by itself is started again, at the same place, after pauses that grow."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import redis

from service.storage import embedded_redis_supervision as supervision
from service.storage.embedded_redis import EmbeddedRedis, find_redis_server
from service.storage.embedded_redis_supervision import keep_running

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def supervised(server: EmbeddedRedis) -> AsyncIterator[None]:
    task = asyncio.create_task(keep_running(server))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        server.stop()


def process_id_of(server: EmbeddedRedis) -> int | None:
    with redis.Redis.from_url(server.url, socket_timeout=1) as client:
        try:
            process_id: int = client.info("server")["process_id"]
        except redis.ConnectionError:
            return None
        return process_id


async def another_than(server: EmbeddedRedis, process_id: int, timeout_seconds: float = 10.0) -> int:
    async with asyncio.timeout(timeout_seconds):
        while (found := process_id_of(server)) in (None, process_id):
            await asyncio.sleep(0.02)
    assert found is not None
    return found


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
async def test_a_server_that_ends_comes_back_where_it_was(data_dir: Path, sent: signal.Signals) -> None:
    server = EmbeddedRedis.start(data_dir)
    url = server.url
    async with supervised(server):
        first = process_id_of(server)
        assert first is not None
        os.kill(first, sent)
        second = await another_than(server, first)
        assert server.url == url
        os.kill(second, sent)
        third = await another_than(server, second)
    assert not psutil.pid_exists(third)
    assert [path.name for path in (data_dir / "redis").iterdir()] == ["redis.log"]


async def test_a_server_whose_keeper_was_killed_is_replaced_and_does_not_take_the_socket_along(data_dir: Path) -> None:
    server = EmbeddedRedis.start(data_dir)
    async with supervised(server):
        first = process_id_of(server)
        assert first is not None
        keeper = psutil.Process(first).parent()
        assert keeper is not None
        keeper.kill()
        second = await another_than(server, first)
        await asyncio.sleep(0.5)
        assert process_id_of(server) == second
        assert not psutil.pid_exists(first) or psutil.Process(first).status() == psutil.STATUS_ZOMBIE


async def test_a_server_whose_socket_was_removed_is_replaced(data_dir: Path) -> None:
    server = EmbeddedRedis.start(data_dir)
    async with supervised(server):
        first = process_id_of(server)
        assert first is not None
        Path(server.url.removeprefix("unix://")).unlink()
        await another_than(server, first)


async def test_one_that_does_not_start_is_tried_again_after_pauses_that_grow(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervision, "_FIRST_PAUSE_SECONDS", 0.1)
    switch = tmp_path / "redis-server"
    switch.symlink_to(find_redis_server())
    server = EmbeddedRedis.start(data_dir, switch)
    broken = tmp_path / "broken"
    broken.write_text(f"#!/bin/sh\ndate +%s%N >> {tmp_path}/tries\necho 'out of luck'\nexit 3\n")
    broken.chmod(0o700)
    async with supervised(server):
        first = process_id_of(server)
        assert first is not None
        switch.unlink()
        switch.symlink_to(broken)
        os.kill(first, signal.SIGKILL)
        await asyncio.sleep(3.5)
        tries = [int(line) / 1e9 for line in (tmp_path / "tries").read_text().splitlines()]
        assert 2 <= len(tries) <= 6  # at once, then after 0.1, 0.2, 0.4, 0.8, 1.6 s and the looks between
        pauses = [later - earlier for earlier, later in pairwise(tries)]
        assert pauses == sorted(pauses)
        assert any("out of luck" in line for line in caplog.messages)
        switch.unlink()
        switch.symlink_to(find_redis_server())
        await another_than(server, first)


async def test_once_stopped_it_is_not_started_again(data_dir: Path) -> None:
    server = EmbeddedRedis.start(data_dir)
    async with supervised(server):
        server.stop()
        await asyncio.sleep(0.5)
        assert process_id_of(server) is None
        server.restart()
        assert process_id_of(server) is None
