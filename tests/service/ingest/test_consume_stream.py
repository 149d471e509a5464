"""The stream's flow in this process: what is stored, set aside, tried again and delivered once more."""

import asyncio
from uuid import NAMESPACE_URL, uuid5

import pytest
import redis

from service.audit.audit_events import Source
from service.audit.on_record import ingest_on_record
from service.components import Components, open_components
from service.erasure.erase_detections import erase_detection
from service.errors import QueueFull
from service.ingest import consume_stream as consumption
from service.ingest.consume_stream import derive_detection_id
from service.ingest.ingest_detection import IngestedDetection, NewDetection
from service.recover_gallery import recover_gallery
from service.settings import Settings
from tests.service.camera_worker import STREAM_KEY, TIME, append
from tests.service.drawn_crops import crop_file
from tests.service.ingest.read_stream import (
    client,
    is_drained,
    reading,
    reasons,
    running,
    settings,
    stream_redis,
    until,
)
from tests.service.stoppable_redis import StoppableRedis
from tests.service.storage.audit_writing import read_record
from tests.service.stored_crops import check_agreement, draw_record

__all__ = ["client", "settings", "stream_redis"]  # fixtures

pytestmark = pytest.mark.anyio


async def test_entries_become_detections_and_leave_the_stream(settings: Settings, client: "redis.Redis") -> None:
    before = append(client, 0, detection_id="d0", track_id="t", person_id="p", timestamp="2026-11-20T10:00:00Z")
    async with running(settings) as components:
        unnamed = [append(client, number) for number in range(1, 50)]
        await until(is_drained(client))
        derived = [str(uuid5(NAMESPACE_URL, f"redis-stream:qaconv:ingest/{entry_id}")) for entry_id in unnamed]
        assert await check_agreement(components) == sorted(["d0", *derived])
        first, second = await components.index.get(["d0", derived[0]])
        assert first is not None
        assert (first.camera_id, first.track_id, first.person_id) == ("c0", "t", "p")
        assert first.timestamp_us == 1_795_168_800_000_000
        assert second is not None
        assert (second.camera_id, second.track_id, second.timestamp_us) == ("c1", None, (TIME + 1) * 10**6)
        assert components.store.get_crop("d0") == crop_file(0)
        assert client.xpending(STREAM_KEY, "qaconv")["pending"] == 0
        assert components.stream is not None
        await until(lambda: components.stream is not None and components.stream.lag.stored == 50)
    assert client.xinfo_consumers(STREAM_KEY, "qaconv") == []
    assert (reasons(client), before.endswith("-0")) == ({}, True)


def test_the_rule_for_ids_gives_what_it_always_gave() -> None:
    assert derive_detection_id("qaconv:ingest", "1790000000000-0") == "9a482ddc-a3db-5a5b-b4c1-ce92ae5aee85"


@pytest.mark.parametrize("stream_key", ["qaconv:times", "qaconv:detection:x", "qaconv:cameras"])
async def test_a_stream_in_the_place_of_metadata_is_refused(settings: Settings, stream_key: str) -> None:
    changes = {"stream_redis_url": "redis://127.0.0.1:1/0", "stream_key": stream_key}
    with pytest.raises(ValueError, match=r"metadata .* QACONV_STREAM_KEY"):
        async with open_components(settings.model_copy(update=changes)):
            pass


async def test_what_is_in_hand_is_kept_though_a_sign_of_life_fails_unforeseen(
    settings: Settings, client: "redis.Redis"
) -> None:
    async with running(settings, stream_claim_seconds=0.1) as components:
        assert components.stream is not None
        measured, lag = 0, components.stream.lag
        measure = components.stream.measure

        async def fail_twice() -> None:
            nonlocal measured
            measured += 1
            if measured <= 2:
                raise TypeError("nobody foresaw this")
            await measure()

        components.stream.measure = fail_twice  # type: ignore[method-assign]
        await until(lambda: measured > 2 and lag.is_connected)


async def test_what_a_dead_consumer_held_is_stored_once(settings: Settings, client: "redis.Redis") -> None:
    client.xgroup_create(STREAM_KEY, "qaconv", "0", mkstream=True)
    for number in range(20):
        append(client, number)
    client.xreadgroup("qaconv", "dead", {STREAM_KEY: ">"}, 15)
    async with running(settings) as components:
        await until(is_drained(client))
        assert len(await check_agreement(components)) == 20


async def test_entries_of_one_id_are_stored_in_their_order(settings: Settings, client: "redis.Redis") -> None:
    for number in range(60):
        append(client, number, detection_id="d", camera_id=f"c{number}")
    async with running(settings) as components:
        await until(is_drained(client))
        assert await check_agreement(components) == ["d"]
        (found,) = await components.index.get(["d"])
        assert found is not None
        assert found.camera_id == "c59"


async def test_a_full_gallery_keeps_entries_in_the_stream_until_there_is_room(
    settings: Settings, client: "redis.Redis", caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(60):
        append(client, number, detection_id=f"d{number:02}")
    async with running(settings, gallery_capacity=10) as components:
        await until(lambda: components.slots.size == 10)
        await asyncio.sleep(1.0)
        assert components.stream is not None
        await components.stream.measure()
        assert (components.stream.lag.pending, components.stream.lag.waiting) == (22, 28)  # no more is read
        assert reasons(client) == {}
        erased = (await check_agreement(components))[:5]
        for detection_id in erased:
            await erase_detection(components, detection_id)
        await until(lambda: components.slots.size == 10)
        assert not {*erased} & {*await check_agreement(components)}
    # Not once for each try: when it begins, and again where it was over for a moment.
    assert 1 <= len([line for line in caplog.messages if "cannot be stored now" in line]) <= 5
    async with running(settings, gallery_capacity=60) as components:
        await until(is_drained(client))
        everything = {f"d{number:02}" for number in range(60)}
        assert await check_agreement(components) == sorted(everything - {*erased})


async def test_a_stream_whose_redis_is_emptied_or_started_again_is_read_on(
    settings: Settings, stream_redis: StoppableRedis, client: "redis.Redis"
) -> None:
    async with running(settings) as components:
        append(client, 0, detection_id="a")
        await until(is_drained(client))
        client.flushall()
        append(client, 1, detection_id="b")
        await until(lambda: components.slots.size == 2)
        stream_redis.kill()
        await asyncio.sleep(0.5)
        stream_redis.start()
        append(client, 2, detection_id="c")
        await until(lambda: components.slots.size == 3)
        await until(is_drained(client))
        assert await check_agreement(components) == ["a", "b", "c"]


async def test_what_was_stored_while_its_stream_is_away_is_acknowledged_later_and_not_stored_again(
    settings: Settings, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested: list[NewDetection] = []

    async def ingest_and_lose_redis(
        components: Components, detection: NewDetection, source: Source
    ) -> IngestedDetection:
        ingested.append(detection)
        stored = await ingest_on_record(components, detection, source)
        client.execute_command("CLIENT", "PAUSE", 2000, "WRITE")  # longer than an answer is waited for
        return stored

    monkeypatch.setattr(consumption, "ingest_on_record", ingest_and_lose_redis)
    monkeypatch.setattr("service.storage.ingest_stream._ANSWER_SECONDS", 1.2)
    append(client, 0, detection_id="a")
    async with running(settings, stream_claim_seconds=30.0) as components:
        await until(lambda: components.slots.size == 1)
        await asyncio.sleep(1.0)
        assert client.xlen(STREAM_KEY) == 1
        await until(is_drained(client))
    assert len(ingested) == 1


async def test_a_busy_service_is_not_asked_for_more_than_one_entry_until_it_takes_it(
    settings: Settings, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    is_busy = True

    async def refuse_while_busy(components: Components, detection: NewDetection, source: Source) -> IngestedDetection:
        asked.append(detection.detection_id)
        if is_busy:
            raise QueueFull("512 jobs wait")
        return await ingest_on_record(components, detection, source)

    monkeypatch.setattr(consumption, "ingest_on_record", refuse_while_busy)
    for number in range(100):
        append(client, number, detection_id=f"d{number:03}")
    async with running(settings) as components:
        await until(lambda: len(asked) >= 32)
        await asyncio.sleep(1.2)
        assert 32 < len(asked) <= 32 + 5  # the first round, then one after 0.1, 0.2, 0.4 and 0.8 s
        is_busy = False
        await until(is_drained(client))
        assert len(await check_agreement(components)) == 100


async def test_it_begins_only_when_the_gallery_is_recovered_and_ends_at_once(
    settings: Settings, client: "redis.Redis"
) -> None:
    append(client, 0, detection_id="d")
    async with open_components(settings) as components, reading(components):
        await asyncio.sleep(0.3)
        assert not client.exists(f"{STREAM_KEY}:rejected")
        assert client.xlen(STREAM_KEY) == 1
    async with open_components(settings) as components:
        await recover_gallery(components)
        async with reading(components):
            await until(is_drained(client))


async def test_at_the_end_what_is_in_hand_is_finished_and_acknowledged(
    settings: Settings, client: "redis.Redis"
) -> None:
    for number in range(300):
        append(client, number, detection_id=f"d{number:03}")
    async with running(settings) as components:
        await until(lambda: components.slots.size > 0)
    left = client.xlen(STREAM_KEY)
    assert 0 < left < 300
    assert client.xpending(STREAM_KEY, "qaconv")["pending"] == 0
    async with running(settings) as components:
        assert components.slots.size >= 300 - left
        await until(is_drained(client))
        assert len(await check_agreement(components)) == 300


async def test_without_a_stream_there_is_nothing_to_read(settings: Settings) -> None:
    async with running(settings, stream_redis_url=None) as components:
        assert components.stream is None
        await components.writer.put(draw_record(components, "d"))


async def test_an_entry_that_replaces_a_picture_is_on_record_by_its_place_in_the_stream(
    settings: Settings, client: "redis.Redis"
) -> None:
    append(client, 0, detection_id="a")
    entry_id = append(client, 1, detection_id="a")
    async with running(settings) as components:
        await until(is_drained(client))
        (entry,) = read_record(components.settings.data_dir)
    assert (entry["event"], entry["detection_id"]) == ("replace", "a")
    assert entry["source"] == {"key_id": None, "key_name": None, "address": None, "request_id": entry_id}
