"""The stream's Redis side, on real servers: handing out, taking over, acknowledging, setting aside, measuring."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from service.errors import FieldError, InvalidField, Unavailable
from service.storage.ingest_stream import IngestStream
from service.storage.stream_entry import StreamEntry

pytestmark = pytest.mark.anyio

KEY, GROUP = "a stream", "a group"
CLAIM_SECONDS = 0.05


@pytest.fixture
def client(redis_url: str) -> "Iterator[redis.Redis]":
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def stream(redis_url: str) -> AsyncIterator[IngestStream]:
    stream = IngestStream.connect(redis_url, KEY, GROUP, CLAIM_SECONDS)
    await stream.prepare()
    yield stream
    await stream.close()


@pytest.fixture
async def other(redis_url: str) -> AsyncIterator[IngestStream]:
    other = IngestStream.connect(redis_url, KEY, GROUP, CLAIM_SECONDS)
    yield other
    await other.close()


def append(client: "redis.Redis", number: int) -> str:
    return client.xadd(KEY, {"image": b"\xff\x00" * number, "camera_id": f"c{number}"}).decode()


def ids(entries: list[StreamEntry]) -> list[str]:
    return [entry.entry_id for entry in entries]


async def test_entries_come_once_in_their_order_and_stay_until_acknowledged(
    stream: IngestStream, other: IngestStream, client: "redis.Redis"
) -> None:
    appended = [append(client, number) for number in range(5)]
    first = await stream.read_new(2, 0)
    rest = await other.read_new(10, 0)
    assert ids(first + rest) == appended
    assert first[1].fields == ((b"image", b"\xff\x00"), (b"camera_id", b"c1"))
    assert await stream.read_new(10, 0) == []
    assert (client.xlen(KEY), client.xpending(KEY, GROUP)["pending"]) == (5, 5)
    await stream.acknowledge(first + rest)
    await stream.acknowledge([])
    assert (client.xlen(KEY), client.xpending(KEY, GROUP)["pending"]) == (0, 0)
    assert stream.lag.stored == 5


async def test_what_was_appended_before_the_group_was_made_is_read(redis_url: str, client: "redis.Redis") -> None:
    appended = append(client, 1)
    stream = IngestStream.connect(redis_url, KEY, GROUP, CLAIM_SECONDS)
    await stream.prepare()
    await stream.prepare()
    assert ids(await stream.read_new(1, 0)) == [appended]
    await stream.close()


async def test_a_repeated_field_is_not_lost(stream: IngestStream, client: "redis.Redis") -> None:
    client.execute_command("XADD", KEY, "*", "a", "1", "a", "2")
    (entry,) = await stream.read_new(1, 0)
    assert entry.fields == ((b"a", b"1"), (b"a", b"2"))


async def test_reading_waits_for_the_first_entry(stream: IngestStream, client: "redis.Redis") -> None:
    reading = asyncio.create_task(stream.read_new(10, 4))
    await asyncio.sleep(0.1)
    appended = append(client, 1)
    assert ids(await asyncio.wait_for(reading, 2)) == [appended]


async def test_what_a_dead_consumer_held_is_taken_over_and_what_a_living_one_holds_is_not(
    stream: IngestStream, other: IngestStream, client: "redis.Redis"
) -> None:
    appended = [append(client, number) for number in range(4)]
    await stream.read_new(2, 0)
    await other.read_new(2, 0)
    assert await other.claim_abandoned(10) == []
    await asyncio.sleep(CLAIM_SECONDS * 1.5)
    await stream.keep()
    claimed = await other.claim_abandoned(10)
    assert ids(claimed) == appended[2:]  # the other's own, which it held without a sign of life
    assert [entry.deliveries for entry in claimed] == [2, 2]
    await asyncio.sleep(CLAIM_SECONDS * 1.5)
    assert ids(await other.claim_abandoned(10)) == appended[:2]


async def test_an_entry_that_nobody_finished_twice_comes_alone_and_after_the_others(
    stream: IngestStream, client: "redis.Redis"
) -> None:
    appended = [append(client, number) for number in range(4)]
    await stream.read_new(2, 0)
    await asyncio.sleep(CLAIM_SECONDS * 1.5)
    assert ids(await stream.claim_abandoned(10)) == appended[:2]
    await stream.read_new(2, 0)
    await asyncio.sleep(CLAIM_SECONDS * 1.5)
    assert ids(await stream.claim_abandoned(10)) == appended[2:]
    (suspect,) = await stream.claim_abandoned(10)
    assert (suspect.entry_id, suspect.deliveries) == (appended[0], 3)


async def test_what_was_deleted_while_it_was_pending_is_no_entry(stream: IngestStream, client: "redis.Redis") -> None:
    appended = [append(client, number) for number in range(2)]
    await stream.read_new(2, 0)
    client.xdel(KEY, appended[0])
    await asyncio.sleep(CLAIM_SECONDS * 1.5)
    assert [entry.entry_id for entry in await stream.claim_abandoned(10) if entry.fields] == appended[1:]


async def test_setting_aside_keeps_the_reason_and_not_the_picture(stream: IngestStream, client: "redis.Redis") -> None:
    fields = {"image": b"picture", "camera_id": "c1", "detection_id": "d\n1", "traceparent": "00-ab-cd-01"}
    appended = client.xadd(KEY, fields).decode()
    (entry,) = await stream.read_new(1, 0)
    assert None is await stream.set_aside(entry, InvalidField("detection_id: no", (FieldError("detection_id", "no"),)))
    ((_, reason),) = client.xrange(f"{KEY}:rejected")
    assert reason == {
        b"entry_id": appended.encode(),
        b"status": b"422",
        b"problem": b"invalid-field",
        b"detail": b"detection_id: no",
        b"deliveries": b"1",
        b"camera_id": b"c1",
        b"traceparent": b"00-ab-cd-01",
        b"image_bytes": b"7",
        b"image_sha256": hashlib.sha256(b"picture").hexdigest().encode(),
    }
    assert (client.xlen(KEY), client.xpending(KEY, GROUP)["pending"], stream.lag.rejected) == (0, 0, 1)


async def test_a_redis_without_memory_still_lets_go_of_what_fills_it(
    stream: IngestStream, client: "redis.Redis"
) -> None:
    for number in range(2):
        append(client, number)
    entry, good = await stream.read_new(2, 0)
    client.config_set("maxmemory", 1)
    try:
        refusal = await stream.set_aside(entry, InvalidField("no"))
        assert refusal is not None
        assert "maxmemory" in refusal
        await stream.acknowledge([good])
    finally:
        client.config_set("maxmemory", 0)
    assert (client.xlen(KEY), client.exists(f"{KEY}:rejected")) == (0, 0)


async def test_the_lag(stream: IngestStream, client: "redis.Redis") -> None:
    await stream.measure()
    assert (stream.lag.waiting, stream.lag.pending, stream.lag.oldest_seconds) == (0, 0, 0.0)
    for number in range(5):
        append(client, number)
    read = await stream.read_new(3, 0)
    await asyncio.sleep(0.1)
    await stream.acknowledge(read[1:2])
    await stream.measure()
    assert (stream.lag.waiting, stream.lag.pending, stream.lag.is_connected) == (2, 2, True)
    assert 0.1 <= stream.lag.oldest_seconds < 5
    client.flushall()
    with pytest.raises(Unavailable, match="NOGROUP"):
        await stream.measure()
    assert not stream.lag.is_connected


async def test_a_stream_and_group_that_vanished_are_made_anew(stream: IngestStream, client: "redis.Redis") -> None:
    client.flushall()
    with pytest.raises(Unavailable, match="NOGROUP"):
        await stream.read_new(1, 0)
    await stream.prepare()
    appended = append(client, 1)
    assert ids(await stream.read_new(1, 0)) == [appended]


async def test_a_second_group_is_refused_and_named(stream: IngestStream, client: "redis.Redis") -> None:
    client.xgroup_create(KEY, "archive", "0")
    with pytest.raises(Unavailable, match=r"groups archive too.*stream of its own"):
        await stream.prepare()


async def test_a_consumer_leaves_unless_it_holds_something(
    stream: IngestStream, other: IngestStream, client: "redis.Redis"
) -> None:
    for number in range(2):
        append(client, number)
    (entry,) = await stream.read_new(1, 0)
    await other.acknowledge(await other.read_new(1, 0))
    assert {each["name"].decode() for each in client.xinfo_consumers(KEY, GROUP)} == {stream.consumer, other.consumer}
    for each in (stream, other):
        await each.leave()
    assert [each["name"].decode() for each in client.xinfo_consumers(KEY, GROUP)] == [stream.consumer]
    await stream.acknowledge([entry])
    await stream.forget_dead_consumers()
    assert len(client.xinfo_consumers(KEY, GROUP)) == 1  # not silent for a day
    await stream.leave()
    assert client.xinfo_consumers(KEY, GROUP) == []


async def test_a_dead_consumer_is_forgotten_after_its_time_but_not_with_what_it_held(
    stream: IngestStream, other: IngestStream, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.storage.ingest_stream._DEAD_CONSUMER_SECONDS", 0.05)
    for number in range(2):
        append(client, number)
    await stream.read_new(1, 0)
    await other.acknowledge(await other.read_new(1, 0))
    assert len(client.xinfo_consumers(KEY, GROUP)) == 2
    await asyncio.sleep(0.1)
    await stream.forget_dead_consumers()
    assert [each["name"].decode() for each in client.xinfo_consumers(KEY, GROUP)] == [stream.consumer]


async def test_a_redis_that_is_not_there_is_unavailable_and_names_the_setting() -> None:
    stream = IngestStream.connect("unix:///nowhere/redis.sock", KEY, GROUP, 30)
    with pytest.raises(Unavailable, match="QACONV_STREAM_REDIS_URL"):
        await stream.prepare()
    with pytest.raises(Unavailable):
        await stream.measure()
    await stream.close()


async def test_another_kind_of_key_is_unavailable(stream: IngestStream, client: "redis.Redis") -> None:
    client.set(KEY, "no stream")
    with pytest.raises(Unavailable, match="WRONGTYPE"):
        await stream.prepare()
