"""A stream in a Redis of its own, and components in this process that read it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from service.api.stream_entries import stream_entry_reader
from service.components import Components, open_components
from service.ingest.consume_stream import consuming_stream
from service.recover_gallery import recover_gallery
from service.settings import Settings
from service.shutdown_time import ShutdownTime
from tests.service.camera_worker import STREAM_KEY
from tests.service.stoppable_redis import StoppableRedis

REJECTED = f"{STREAM_KEY}:rejected"


@pytest.fixture
def stream_redis(tmp_path: Path) -> Iterator[StoppableRedis]:
    server = StoppableRedis(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def client(stream_redis: StoppableRedis) -> "Iterator[redis.Redis]":
    with redis.Redis.from_url(stream_redis.url) as client:
        yield client


@pytest.fixture
def settings(settings: Settings, stream_redis: StoppableRedis) -> Settings:
    changes = {"stream_redis_url": stream_redis.url, "stream_claim_seconds": 0.3, "max_body_bytes": 100_000}
    return settings.model_copy(update=changes)


@asynccontextmanager
async def reading(components: Components) -> AsyncIterator[None]:
    shutdown = ShutdownTime(components.settings.shutdown_timeout_seconds)
    async with consuming_stream(components, stream_entry_reader(components.settings.max_body_bytes), shutdown):
        yield


@asynccontextmanager
async def running(settings: Settings, **changes: object) -> AsyncIterator[Components]:
    async with open_components(settings.model_copy(update=changes)) as components:
        await recover_gallery(components)
        async with reading(components):
            yield components


async def until(is_true: Callable[[], bool], timeout_seconds: float = 60.0) -> None:
    async with asyncio.timeout(timeout_seconds):
        while not is_true():
            await asyncio.sleep(0.02)


def is_drained(client: "redis.Redis") -> Callable[[], bool]:
    return lambda: client.xlen(STREAM_KEY) == 0


def reasons(client: "redis.Redis") -> dict[str, dict[str, str]]:
    """Why entries were set aside, by their IDs."""
    read = [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in client.xrange(REJECTED)]
    return {reason["entry_id"]: reason for reason in read}
