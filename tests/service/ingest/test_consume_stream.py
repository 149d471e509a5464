"""The stream's flow in this process: what is stored, set aside, tried again and delivered once more."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
import redis

from service.api.stream_entries import stream_entry_reader
from service.components import Components, open_components
from service.erasure.erase_detections import erase_detection
from service.errors import QueueFull
from service.ingest import consume_stream as consumption
from service.ingest.consume_stream import consuming_stream, derive_detection_id
from service.ingest.ingest_detection import IngestedDetection, NewDetection, ingest_detection
from service.observability.request_context import RequestContext, current_requests
from service.recover_gallery import recover_gallery
from service.settings import Settings
from service.shutdown_time import ShutdownTime
from tests.service.camera_worker import STREAM_KEY, TIME, append
from tests.service.drawn_crops import crop_file, draw_crop, encode
from tests.service.stoppable_redis import StoppableRedis
from tests.service.stored_crops import check_agreement, draw_record

pytestmark = pytest.mark.anyio

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


async def test_ten_kinds_of_poison_are_set_aside_and_their_neighbours_are_stored(
    settings: Settings, client: "redis.Redis"
) -> None:
    picture = crop_file(3)
    poison = {
        append(client, 1, image=b"no image"): ("400", "unreadable-image"),
        append(client, 2, image=picture[: len(picture) // 2]): ("400", "unreadable-image"),
        append(client, 3, image=b"GIF89a" + picture): ("415", "unsupported-image"),
        append(client, 4, image=encode(draw_crop(4, 4, 40))): ("422", "invalid-field"),
        append(client, 5, image=encode(draw_crop(5, 5000, 4000))): ("413", "limit-exceeded"),
        append(client, 6, image=b"\xff" * 100_001): ("413", "limit-exceeded"),
        append(client, 7, image=None): ("422", "invalid-field"),
        append(client, 8, camera_id="no camera"): ("422", "invalid-field"),
        append(client, 9, timestamp="yesterday"): ("422", "invalid-field"),
        append(client, 10, camera="c1"): ("422", "invalid-field"),
        append(client, 11, person_id=b"\xff\xff"): ("422", "invalid-field"),
        append(client, 12, detection_id="d/1"): ("422", "invalid-field"),
    }
    good = [append(client, number, detection_id=f"good{number}") for number in range(5)]
    async with running(settings, max_body_bytes=100_000, max_image_pixels=1_000_000) as components:
        await until(is_drained(client))
        assert await check_agreement(components) == [f"good{number}" for number in range(len(good))]
    found = reasons(client)
    assert {entry_id: (reason["status"], reason["problem"]) for entry_id, reason in found.items()} == poison
    by_number = dict(zip(range(1, 13), found.values(), strict=True))
    assert by_number[1]["image_sha256"] == hashlib.sha256(b"no image").hexdigest()
    assert by_number[6]["image_bytes"] == "100001"
    assert "at most 100000 are taken" in by_number[6]["detail"]
    assert by_number[10]["detail"] == "camera: is not a field of this call"
    assert "image_bytes" not in by_number[7]
    assert by_number[7]["camera_id"] == "c1"
    assert not any(b"no image" in value for _, fields in client.xrange(REJECTED) for value in fields.values())


async def test_log_lines_and_metrics_say_which_entry_and_what_was_wrong(
    settings: Settings, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: dict[str | None, tuple[RequestContext, ...]] = {}

    async def ingest_and_note(components: Components, detection: NewDetection) -> IngestedDetection:
        requests[detection.detection_id] = current_requests()
        return await ingest_detection(components, detection)

    monkeypatch.setattr(consumption, "ingest_detection", ingest_and_note)
    traced = append(client, 0, detection_id="traced", traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01")
    untraced = append(client, 1, detection_id="untraced", traceparent=b"\xff")
    append(client, 2, image=b"no image")
    append(client, 3, timestamp="yesterday")
    async with running(settings) as components:
        await until(lambda: len(reasons(client)) == 3)
        text = components.metrics.exposition().decode()
    assert requests.keys() >= {"traced"}
    (request,) = requests["traced"]
    assert (request.request_id, request.trace.trace_id) == (traced, "ab" * 16)
    assert untraced in reasons(client)
    assert 'qaconv_stream_problems_total{type="unreadable-image"} 1.0' in text
    assert 'qaconv_stream_problems_total{type="invalid-field"} 2.0' in text
    assert current_requests() == ()


async def test_what_is_too_old_to_be_kept_is_set_aside_and_crops_that_are_not_kept_are_not(
    settings: Settings, client: "redis.Redis"
) -> None:
    old = append(client, 0, detection_id="old", timestamp=str(time.time() - 7200))
    ahead = append(client, 1, detection_id="ahead", timestamp=str(time.time() + 7200))
    append(client, 2, detection_id="new", timestamp=str(time.time() - 60))
    async with running(settings, retention_seconds=3600, store_crops=False) as components:
        await until(is_drained(client))
        assert await check_agreement(components) == ["new"]
        assert components.store.get_crop("new") == b""
    found = reasons(client)
    assert {entry_id: reason["problem"] for entry_id, reason in found.items()} == dict.fromkeys(
        (old, ahead), "invalid-field"
    )
    assert "are kept for 3600 s" in found[old]["detail"]
    assert "in the future" in found[ahead]["detail"]


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

    async def ingest_and_lose_redis(components: Components, detection: NewDetection) -> IngestedDetection:
        ingested.append(detection)
        stored = await ingest_detection(components, detection)
        client.execute_command("CLIENT", "PAUSE", 2000, "WRITE")  # longer than an answer is waited for
        return stored

    monkeypatch.setattr(consumption, "ingest_detection", ingest_and_lose_redis)
    monkeypatch.setattr("service.storage.ingest_stream._ANSWER_SECONDS", 1.2)
    append(client, 0, detection_id="a")
    async with running(settings, stream_claim_seconds=30.0) as components:
        await until(lambda: components.slots.size == 1)
        await asyncio.sleep(1.0)
        assert client.xlen(STREAM_KEY) == 1
        await until(is_drained(client))
    assert len(ingested) == 1


async def test_an_entry_that_ends_its_consumers_is_set_aside_once_others_were_stored(
    settings: Settings, client: "redis.Redis"
) -> None:
    client.xgroup_create(STREAM_KEY, "qaconv", "0", mkstream=True)
    poison = append(client, 0, detection_id="poison")
    client.xreadgroup("qaconv", "dead", {STREAM_KEY: ">"}, 1)
    client.xclaim(STREAM_KEY, "qaconv", "dead", 0, [poison], retrycount=4)
    async with running(settings) as components:
        await asyncio.sleep(1.0)
        assert (client.xlen(STREAM_KEY), reasons(client)) == (1, {})
        append(client, 1, detection_id="good")
        await until(is_drained(client))
        assert await check_agreement(components) == ["good"]
    reason = reasons(client)[poison]
    assert (reason["status"], reason["problem"], reason["detection_id"]) == ("500", "internal-error", "poison")
    assert "never finished" in reason["detail"]
    assert int(reason["deliveries"]) >= 5


async def test_an_entry_that_fails_unforeseen_is_tried_five_times_and_holds_nobody_up(
    settings: Settings, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    async def ingest_or_fail(components: Components, detection: NewDetection) -> IngestedDetection:
        assert detection.detection_id is not None
        if detection.detection_id == "bad":
            tries.append(detection.detection_id)
            raise RuntimeError("nobody foresaw this")
        return await ingest_detection(components, detection)

    monkeypatch.setattr(consumption, "ingest_detection", ingest_or_fail)
    async with running(settings, stream_claim_seconds=0.1) as components:
        for number in range(3):
            append(client, number, detection_id=f"good{number}")
        bad = append(client, 9, detection_id="bad")
        number = 3
        while bad not in reasons(client):
            append(client, number, detection_id=f"good{number}")
            number += 1
            await asyncio.sleep(0.1)
            assert number < 150
        await until(is_drained(client))
        assert len(await check_agreement(components)) == number
    assert len(tries) >= 4
    assert reasons(client)[bad]["problem"] == "internal-error"


async def test_a_service_that_can_store_nothing_sets_nothing_aside(
    settings: Settings, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> IngestedDetection:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(consumption, "ingest_detection", fail)
        for number in range(100):
            append(client, number, detection_id=f"d{number:03}")
        async with running(settings, stream_claim_seconds=0.1) as components:
            await asyncio.sleep(2.0)
            assert components.stream is not None
            await components.stream.measure()
            assert components.stream.lag.pending <= 33
        assert (reasons(client), client.xlen(STREAM_KEY)) == ({}, 100)
    async with running(settings, stream_claim_seconds=0.1) as components:
        await until(is_drained(client))
        assert len(await check_agreement(components)) == 100


async def test_a_busy_service_is_not_asked_for_more_than_one_entry_until_it_takes_it(
    settings: Settings, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    is_busy = True

    async def refuse_while_busy(components: Components, detection: NewDetection) -> IngestedDetection:
        asked.append(detection.detection_id)
        if is_busy:
            raise QueueFull("512 jobs wait")
        return await ingest_detection(components, detection)

    monkeypatch.setattr(consumption, "ingest_detection", refuse_while_busy)
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
