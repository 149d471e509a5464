"""Writes and erasures, and what is left of them when a step fails: disk, Redis and device agree in the end."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.components import Components, open_components
from service.errors import StorageFull, Unavailable
from service.inference.device_worker import Operation
from service.records import DetectionMetadata, DetectionRecord
from service.recover_gallery import recover_gallery
from service.settings import Settings
from tests.service.stoppable_redis import StoppableRedis
from tests.service.stored_crops import check_agreement, draw_record

pytestmark = pytest.mark.anyio


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[StoppableRedis]:
    server = StoppableRedis(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def on_own_redis(settings: Settings, own_redis: StoppableRedis) -> AsyncIterator[Components]:
    async with open_components(settings.model_copy(update={"redis_url": own_redis.url})) as components:
        await recover_gallery(components)
        yield components


async def test_a_detection_is_new_once_and_gone_once(components: Components) -> None:
    writer = components.writer
    first, second = draw_record(components, "a", 1), draw_record(components, "a", 2, camera_id="c2", track_id="t")
    assert await writer.put(first) is True
    assert await writer.put(first) is False
    assert await writer.put(second) is False
    assert await check_agreement(components) == ["a"]
    assert components.store.get_metadata("a") == second.metadata
    assert await writer.erase("a") == second.metadata
    assert await writer.erase("a") is None
    assert await check_agreement(components) == []
    assert not writer.unsettled


async def test_of_concurrent_puts_of_one_id_exactly_one_is_new(components: Components) -> None:
    records = [draw_record(components, "a", seed, camera_id=f"c{seed}") for seed in range(30)]
    is_new = await asyncio.gather(*(components.writer.put(record) for record in records))
    assert sum(is_new) == 1
    assert await check_agreement(components) == ["a"]
    assert len(components.writer._locks) == 0


async def test_puts_and_erasures_in_disorder_end_in_agreement(components: Components) -> None:
    drawn = random.Random(3)
    tasks = []
    for number in range(250):
        detection_id = drawn.choice("abcdef")
        if drawn.random() < 0.45:
            tasks.append(asyncio.create_task(components.writer.erase(detection_id)))
        else:
            changes = {"camera_id": f"c{drawn.randrange(3)}", "track_id": drawn.choice([None, "t"])}
            record = draw_record(components, detection_id, number, **changes)
            tasks.append(asyncio.create_task(components.writer.put(record)))
        if drawn.random() < 0.2:
            await asyncio.sleep(0.001)
    answers = await asyncio.gather(*tasks)
    there = await check_agreement(components)
    became = sum(answer is True for answer in answers)
    gone = sum(answer is not None and not isinstance(answer, bool) for answer in answers)
    assert became - gone == len(there)


@pytest.mark.parametrize("turns", range(0, 16, 3))
async def test_a_caller_that_gives_up_leaves_no_half_write(components: Components, turns: int) -> None:
    await components.writer.put(draw_record(components, "old", 1))
    put = asyncio.create_task(components.writer.put(draw_record(components, "new", 2)))
    erase = asyncio.create_task(components.writer.erase("old"))
    for _ in range(turns):
        await asyncio.sleep(0)
    put.cancel()
    erase.cancel()
    await asyncio.gather(put, erase, return_exceptions=True)
    await components.writer.finish()
    # Either nothing was begun, or both were done to the end.
    assert await check_agreement(components) == (["new"] if turns else ["old"])


async def test_at_capacity_nothing_is_stored_and_what_was_erased_makes_room(settings: Settings) -> None:
    async with open_components(settings.model_copy(update={"gallery_capacity": 3})) as components:
        await recover_gallery(components)
        records = [draw_record(components, f"d{number}", number) for number in range(9)]
        answers = await asyncio.gather(*(components.writer.put(each) for each in records), return_exceptions=True)
        refused = [each for each in answers if isinstance(each, StorageFull)]
        assert len(refused) == 6
        assert "QACONV_GALLERY_CAPACITY" in refused[0].detail
        there = await check_agreement(components)
        assert len(there) == 3
        assert await components.writer.put(draw_record(components, there[0], 20)) is False
        await components.writer.erase(there[1])
        assert await components.writer.put(draw_record(components, "last")) is True
        assert await check_agreement(components) == sorted([there[0], there[2], "last"])


async def test_a_full_disk_leaves_what_was_there_and_frees_the_reservation(settings: Settings) -> None:
    async with open_components(settings.model_copy(update={"disk_capacity_bytes": 2**20})) as components:
        await recover_gallery(components)
        small = draw_record(components, "small")
        await components.writer.put(small)
        large = replace(draw_record(components, "large", 1), crop=bytes(2**21))
        with pytest.raises(StorageFull, match="QACONV_DISK_CAPACITY_BYTES"):
            await components.writer.put(large)
        with pytest.raises(StorageFull):
            await components.writer.put(replace(large, metadata=replace(small.metadata, camera_id="c9")))
        assert await check_agreement(components) == ["small"]
        assert components.store.get_metadata("small") == small.metadata
        assert not components.writer.unsettled


async def test_without_redis_a_write_is_refused_before_anything_is_done(
    on_own_redis: Components, own_redis: StoppableRedis
) -> None:
    writer = on_own_redis.writer
    kept = draw_record(on_own_redis, "kept")
    await writer.put(kept)
    own_redis.kill()
    for write in (writer.put(draw_record(on_own_redis, "new")), writer.put(kept), writer.erase("kept")):
        with pytest.raises(Unavailable, match="Redis"):
            await write
    assert not writer.unsettled
    assert [each.detection_id for each in on_own_redis.store.iterate_metadata()] == ["kept"]
    assert on_own_redis.slots.reserve("new") is True


async def test_a_put_whose_redis_dies_after_the_disk_is_settled_when_it_is_back(
    on_own_redis: Components, own_redis: StoppableRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, writer = on_own_redis.store, on_own_redis.writer
    await writer.put(draw_record(on_own_redis, "old", 1))
    put = store.put

    async def put_then_lose_redis(record: DetectionRecord) -> bool:
        is_new = await put(record)
        own_redis.kill()
        return is_new

    with monkeypatch.context() as patched:
        patched.setattr(store, "put", put_then_lose_redis)
        with pytest.raises(Unavailable):
            await writer.put(draw_record(on_own_redis, "new", 2))
    assert writer.unsettled == {"new"}
    with pytest.raises(Unavailable):
        await writer.settle()
    assert writer.unsettled == {"new"}
    own_redis.start()
    await on_own_redis.index.put(draw_record(on_own_redis, "old", 1).metadata)  # what was lost with Redis
    await writer.settle()
    assert not writer.unsettled
    assert await check_agreement(on_own_redis) == ["new", "old"]


async def test_an_erasure_whose_redis_dies_after_the_disk_is_settled_when_it_is_back(
    on_own_redis: Components, own_redis: StoppableRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, writer = on_own_redis.store, on_own_redis.writer
    record = draw_record(on_own_redis, "old", 1)
    await writer.put(record)
    delete = store.delete

    async def delete_then_lose_redis(detection_ids: Sequence[str]) -> list[DetectionMetadata]:
        erased = await delete(detection_ids)
        own_redis.kill()
        return erased

    with monkeypatch.context() as patched:
        patched.setattr(store, "delete", delete_then_lose_redis)
        with pytest.raises(Unavailable):
            await writer.erase("old")
    assert writer.unsettled == {"old"}
    own_redis.start()
    await on_own_redis.index.put(record.metadata)  # as a Redis that keeps its data would have it
    await writer.settle()
    assert await check_agreement(on_own_redis) == []
    assert not writer.unsettled


async def test_the_same_put_again_settles_it_too(components: Components) -> None:
    writer, record = components.writer, draw_record(components, "a")
    operations = writer._operations
    writer._operations = replace(operations, put=Operation("put", _fail))
    with pytest.raises(OSError, match="the device failed"):
        await writer.put(record)
    assert writer.unsettled == {"a"}
    writer._operations = operations
    assert await writer.put(record) is False
    assert not writer.unsettled
    assert await check_agreement(components) == ["a"]


async def test_an_erasure_that_the_device_failed_is_settled(components: Components) -> None:
    writer = components.writer
    await writer.put(draw_record(components, "a"))
    operations = writer._operations
    writer._operations = replace(operations, remove=Operation("remove", _fail))
    with pytest.raises(OSError, match="the device failed"):
        await writer.erase("a")
    assert components.slots.size == 1
    writer._operations = operations
    await writer.settle()
    assert await check_agreement(components) == []


@pytest.mark.parametrize("is_written", [True, False])
async def test_a_disk_step_of_which_nobody_knows_how_it_ended_is_settled(
    components: Components, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    writer, store = components.writer, components.store
    await writer.put(draw_record(components, "erased"))
    put, delete = store.put, store.delete

    async def put_and_fail(record: DetectionRecord) -> bool:
        if is_written:
            await put(record)
        raise OSError("the disk fell silent")

    async def delete_and_fail(detection_ids: Sequence[str]) -> list[DetectionMetadata]:
        if is_written:
            await delete(detection_ids)
        raise OSError("the disk fell silent")

    monkeypatch.setattr(store, "put", put_and_fail)
    monkeypatch.setattr(store, "delete", delete_and_fail)
    with pytest.raises(OSError, match="silent"):
        await writer.put(draw_record(components, "new"))
    with pytest.raises(OSError, match="silent"):
        await writer.erase("erased")
    assert writer.unsettled == {"new", "erased"}
    await writer.settle()
    assert not writer.unsettled
    assert await check_agreement(components) == (["new"] if is_written else ["erased"])


async def test_one_write_that_cannot_be_settled_does_not_keep_the_others_waiting(components: Components) -> None:
    writer = components.writer
    operations = writer._operations
    writer._operations = replace(operations, put=Operation("put", _fail))
    for name in "abcdef":
        with pytest.raises(OSError, match="the device failed"):
            await writer.put(draw_record(components, name))
    writer._operations = replace(operations, put=Operation("put", lambda items: _fail_c(components, items)))
    with pytest.raises(OSError, match="the device failed"):
        await writer.settle()
    assert writer.unsettled == {"c"}


async def test_a_pause_waits_for_writes_in_flight_and_refuses_new_ones(components: Components) -> None:
    writer = components.writer
    in_flight = asyncio.create_task(writer.put(draw_record(components, "a")))
    await asyncio.sleep(0)
    async with writer.paused():
        assert in_flight.done() or components.store.get_metadata("a") is not None
        for write in (writer.put(draw_record(components, "b")), writer.erase("a")):
            with pytest.raises(Unavailable, match="try again"):
                await write
    assert await in_flight is True
    assert await writer.put(draw_record(components, "b")) is True
    assert await check_agreement(components) == ["a", "b"]


def _fail(_: list[Any]) -> list[Any]:
    raise OSError("the device failed")


def _fail_c(components: Components, items: list[Any]) -> list[None]:
    if any(item.metadata.detection_id == "c" for item in items):
        _fail(items)
    return components.gallery.put(items)
