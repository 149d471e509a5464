"""Starting again: whatever Redis has become, the disk's detections are back in it and on the device."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import lmdb
import pytest

from service import recover_gallery as recovery
from service.components import Components, open_components
from service.describe_gallery import describe_gallery
from service.erasure.erase_detections import erase_detection
from service.errors import OtherModel, StorageFull, Unavailable
from service.read_detections import read_feature_map, read_metadata
from service.recover_gallery import keep_in_step, recover_gallery
from service.search.search_gallery import search_gallery
from service.settings import Settings
from service.storage.detection_store import DetectionStore
from service.storage.metadata.metadata_index import MetadataIndex
from tests.service.drawn_crops import crop_file
from tests.service.reindexing import reindex
from tests.service.stoppable_redis import StoppableRedis
from tests.service.storage.data_file import change_value, flip_wherever
from tests.service.stored_crops import check_agreement, draw_record, ingest, search_for

pytestmark = pytest.mark.anyio

IDS = [f"d{number}" for number in range(10)]


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[StoppableRedis]:
    server = StoppableRedis(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_SECONDS_BETWEEN_CHECKS", 0.02)


@asynccontextmanager
async def running(settings: Settings, **changes: object) -> AsyncIterator[Components]:
    async with open_components(settings.model_copy(update=changes)) as components:
        await recover_gallery(components)
        yield components


@asynccontextmanager
async def kept_in_step(components: Components) -> AsyncIterator[None]:
    task = asyncio.create_task(keep_in_step(components))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def ingest_ten(components: Components) -> None:
    for number, detection_id in enumerate(IDS):
        await ingest(components, detection_id, number, f"c{number % 3}", 10 * number, f"t{number // 2}")


async def eventually_agree(components: Components) -> list[str]:
    for _ in range(200):
        with suppress(AssertionError):
            if await components.index.is_in_step() and not components.writer.unsettled:
                return await check_agreement(components)
        await asyncio.sleep(0.02)
    return await check_agreement(components)


async def test_after_a_restart_the_same_search_gives_the_same_answer(settings: Settings) -> None:
    query = search_for(crop_file(3), camera_id="c0", seconds=30, include_pivots=True)
    async with running(settings) as components:
        await ingest_ten(components)
        before = await search_gallery(components, query)
    async with running(settings) as components:
        assert components.recovery.is_done
        assert await check_agreement(components) == IDS
        after = await search_gallery(components, query)
    assert len(before.matches) == 10
    assert replace(after, timing_ms=before.timing_ms) == before


async def test_more_detections_than_are_read_at_once(settings: Settings) -> None:
    async with running(settings) as components:
        records = [draw_record(components, f"d{number:03}", number) for number in range(205)]
        await asyncio.gather(*(components.writer.put(record) for record in records))
    async with running(settings) as components:
        assert len(await check_agreement(components)) == 205


async def test_a_redis_that_others_changed_meanwhile_is_put_right(
    settings: Settings, own_redis: StoppableRedis
) -> None:
    async with running(settings, redis_url=own_redis.url) as components:
        await ingest_ten(components)
        stranger = draw_record(components, "stranger", camera_id="c0").metadata
        moved = replace(draw_record(components, "d3").metadata, camera_id="elsewhere", track_id="other")
    index = MetadataIndex.connect(own_redis.url, settings.redis_key_prefix)
    await index.put(stranger)
    await index.put(moved)
    await index.delete(["d4"])
    await index.close()
    with own_redis.client() as client:
        client.zadd("qaconv:camera:c1:times", {"ghost": 1})
        client.set("another program's key", "kept")
        client.delete("qaconv:cameras")
    async with running(settings, redis_url=own_redis.url) as components:
        assert await check_agreement(components) == IDS
        nearby, _ = await components.index.nearby("c1", stranger.timestamp_us, 10**12, 100)
        assert sorted(nearby) == ["d1", "d4", "d7"]
    with own_redis.client() as client:
        assert client.get("another program's key") == "kept"


async def test_records_of_another_model_are_kept_and_not_compared(settings: Settings, newer_checkpoint: Path) -> None:
    async with running(settings) as components:
        # Crops that are no images: no other model can make maps of them.
        for number, detection_id in enumerate(IDS):
            await components.writer.put(draw_record(components, detection_id, number))
        first_fingerprint = components.fingerprint
    assert len((await reindex(settings, newer_checkpoint)).failed) == 10
    async with running(settings, checkpoint=newer_checkpoint) as components:
        assert components.fingerprint != first_fingerprint
        assert (components.slots.size, await check_agreement(components)) == (0, IDS)
        assert (await describe_gallery(components)).other_model == 10
        assert (await read_metadata(components, "d2")).model_fingerprint == first_fingerprint
        assert (await read_feature_map(components, "d2")).shape == (16, 8, 4)
        assert (await search_gallery(components, search_for(crop_file(2)))).matches == ()
        with pytest.raises(OtherModel, match=rf"{first_fingerprint}.*PUT"):
            await search_gallery(components, search_for(detection_id="d2"))
        assert (await ingest(components, "d2", 2, "c2", 20)).is_new is False
        await erase_detection(components, "d5")
        result = await search_gallery(components, search_for(crop_file(3), camera_id="c2", seconds=20))
        assert [match.metadata.detection_id for match in result.matches] == ["d2"]
        assert (result.gallery_size, result.lifting.nearby) == (1, ("d2",))
        assert (await describe_gallery(components)).other_model == 8
    async with running(settings, checkpoint=newer_checkpoint) as components:
        assert components.slots.size == 1
        assert len(await check_agreement(components)) == 9


async def test_more_detections_than_the_capacity_are_an_error_that_says_so(settings: Settings) -> None:
    async with running(settings) as components:
        await ingest_ten(components)
    async with open_components(settings.model_copy(update={"gallery_capacity": 9})) as components:
        with pytest.raises(StorageFull, match="holds 10 detections, the gallery's capacity is 9"):
            await recover_gallery(components)
        assert not components.recovery.is_done


async def test_a_damaged_record_does_not_keep_the_others_away(settings: Settings) -> None:
    async with running(settings) as components:
        await ingest_ten(components)
    with lmdb.open(str(settings.data_dir / "records"), max_dbs=3) as environment:
        names = [bytes(name) for name in environment.begin().cursor().iternext(values=False)]
        (feature_maps,) = [name for name in names if b"feature" in name]
        database = environment.open_db(feature_maps, create=False)
        with environment.begin(write=True, db=database) as transaction:
            transaction.put(b"d6", b"not a feature map")
    async with running(settings) as components:
        assert components.slots.size == 9
        result = await search_gallery(components, search_for(crop_file(6)))
        assert len(result.matches) == 9
        assert (await ingest(components, "d6", 6, "c0", 60, "t3")).is_new is True
        assert await check_agreement(components) == IDS


async def test_what_was_set_aside_is_not_taken_for_lost(
    settings: Settings, own_redis: StoppableRedis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recovery, "_SECONDS_BETWEEN_COUNTS", 0.0)
    async with running(settings, redis_url=own_redis.url) as components:
        await ingest_ten(components)
        await ingest(components, "e", 10, "c0", 200, "track-of-e")
    change_value(settings.data_dir, "metadata", "d6", b"{}")
    async with running(settings, redis_url=own_redis.url) as components, kept_in_step(components):
        assert components.store.count_set_aside() == 1
        await asyncio.sleep(0.2)
        assert "bringing it in step" not in caplog.text
        flip_wherever(settings.data_dir, b"track-of-e", 9, 0x01)  # is found when Redis is brought in step
        with own_redis.client() as client:
            client.flushall()
        assert await eventually_agree(components) == [each for each in IDS if each != "d6"]
        await asyncio.sleep(0.2)
        assert caplog.text.count("bringing it in step") == 1
        with own_redis.client() as client:
            assert client.zrem(components.index._keys.times, "d1") == 1
        assert await eventually_agree(components) == [each for each in IDS if each != "d6"]


@pytest.mark.parametrize("is_disk_full", [False, True])
async def test_a_loss_during_a_start_is_not_taken_for_what_is_damaged(
    settings: Settings,
    own_redis: StoppableRedis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    is_disk_full: bool,
) -> None:
    """Also where what is damaged cannot be set aside: it stays on the disk, and Redis does not list it."""
    monkeypatch.setattr(recovery, "_SECONDS_BETWEEN_COUNTS", 0.0)
    async with running(settings, redis_url=own_redis.url) as components:
        await ingest_ten(components)
    change_value(settings.data_dir, "metadata", "d6", b"{}")
    fill_device = recovery._fill_device

    async def lose_meanwhile(components: Components) -> dict[str, str]:
        with own_redis.client() as client:
            assert client.zrem(components.index._keys.times, "d1") == 1
        return await fill_device(components)

    async def find_no_room(*_: object) -> bool:
        raise StorageFull("no room")

    monkeypatch.setattr(recovery, "_fill_device", lose_meanwhile)
    if is_disk_full:
        monkeypatch.setattr(DetectionStore, "set_aside", find_no_room)
    async with running(settings, redis_url=own_redis.url) as components, kept_in_step(components):
        assert components.recovery.unlisted == ({"d6"} if is_disk_full else set())
        with own_redis.client() as client:
            for _ in range(200):
                if client.zscore(components.index._keys.times, "d1") is not None:
                    break
                await asyncio.sleep(0.02)
            assert client.zcard(components.index._keys.times) == len(IDS) - 1
        await asyncio.sleep(0.2)
    assert caplog.text.count("bringing it in step") == 1


async def test_it_waits_for_redis_and_says_so(settings: Settings, own_redis: StoppableRedis) -> None:
    async with running(settings) as components:
        await ingest_ten(components)
    own_redis.kill()
    async with open_components(settings.model_copy(update={"redis_url": own_redis.url})) as components:
        recovering = asyncio.create_task(recover_gallery(components))
        while not components.recovery.progress.startswith("waiting for Redis"):
            await asyncio.sleep(0.01)
        assert not components.recovery.is_done
        assert not recovering.done()
        own_redis.start()
        await asyncio.wait_for(recovering, 10)
        assert components.recovery.is_done
        assert await check_agreement(components) == IDS


async def test_a_redis_emptied_while_the_service_runs_is_filled_again(
    settings: Settings, own_redis: StoppableRedis
) -> None:
    async with running(settings, redis_url=own_redis.url) as components:
        await ingest_ten(components)
        async with kept_in_step(components):
            with own_redis.client() as client:
                client.flushall()
            assert await eventually_agree(components) == IDS
            own_redis.kill()
            with pytest.raises(Unavailable):
                await ingest(components, "new", 11)
            own_redis.start()
            assert await eventually_agree(components) == IDS
            assert (await ingest(components, "new", 11)).is_new
            assert await check_agreement(components) == [*IDS, "new"]


async def test_writes_go_on_while_redis_is_emptied_again_and_again(
    settings: Settings, own_redis: StoppableRedis
) -> None:
    async with running(settings, redis_url=own_redis.url) as components, kept_in_step(components):
        answered = []
        with own_redis.client() as client:
            for number in range(60):
                if number % 20 == 10:
                    client.flushall()
                try:
                    await components.writer.put(draw_record(components, f"d{number:02}", number))
                except Unavailable:
                    await asyncio.sleep(0.01)
                else:
                    answered.append(f"d{number:02}")
        assert len(answered) > 30
        assert set(answered) <= set(await eventually_agree(components))


async def test_keeping_in_step_survives_what_nobody_expected(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    is_in_step = components.index.is_in_step

    async def fail_at_first() -> bool:
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError("nobody expected this")
        return await is_in_step()

    monkeypatch.setattr(components.index, "is_in_step", fail_at_first)
    async with kept_in_step(components):
        while len(calls) < 5:
            await asyncio.sleep(0.01)


async def test_a_cancellation_that_a_library_loses_still_ends_it(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_waiting = asyncio.Event()

    async def lose_cancellation() -> bool:
        with suppress(asyncio.CancelledError):
            is_waiting.set()
            await asyncio.sleep(60)
        return True

    monkeypatch.setattr(components.index, "is_in_step", lose_cancellation)
    task = asyncio.create_task(keep_in_step(components))
    await is_waiting.wait()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done == {task}
