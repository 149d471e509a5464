import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest
import redis

from service.records import DetectionMetadata
from service.storage.metadata.metadata_index import MetadataIndex
from service.storage.metadata.metadata_reconciliation import ReconcileReport

pytestmark = pytest.mark.anyio

KEY_PREFIX = "test[1]*:"  # as in conftest.py

MakeMetadata = Callable[..., DetectionMetadata]


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def disk(make_metadata: MakeMetadata) -> list[DetectionMetadata]:
    drawn = random.Random(5)
    return [
        make_metadata(
            f"d{number:04}",
            camera_id=f"c{drawn.randrange(4)}",
            timestamp_us=number,
            track_id=drawn.choice([None, "t1"]),
            person_id=drawn.choice([None, "p1", "p2"]),
        )
        for number in range(1234)
    ]


def dump(raw: redis.Redis) -> dict[str, object]:
    read = {
        "hash": raw.hgetall,
        "zset": lambda key: dict(raw.zrange(key, 0, -1, withscores=True)),
        "set": raw.smembers,
        "string": raw.get,
    }
    return {key: read[raw.type(key)](key) for key in raw.scan_iter()}


async def test_an_empty_redis_gets_what_puts_would_have_written(
    index: MetadataIndex, raw: redis.Redis, disk: list[DetectionMetadata]
) -> None:
    for each in disk:
        await index.put(each)
    expected = dump(raw)
    raw.flushall()
    progress: list[int] = []
    assert await index.reconcile(iter(disk), progress.append) == ReconcileReport(written=1234, removed=0)
    assert progress == [500, 1000, 1234]
    after = dump(raw)
    after.pop(f"{KEY_PREFIX}in_step")
    assert after == expected


async def test_what_agrees_is_not_written_again(
    index: MetadataIndex, raw: redis.Redis, disk: list[DetectionMetadata]
) -> None:
    await index.reconcile(disk)
    before = dump(raw)
    assert await index.reconcile(disk) == ReconcileReport(written=0, removed=0)
    assert dump(raw) == before


async def test_every_difference_is_mended(
    index: MetadataIndex, raw: redis.Redis, disk: list[DetectionMetadata], make_metadata: MakeMetadata
) -> None:
    await index.reconcile(disk)
    expected = dump(raw)

    raw.delete(f"{KEY_PREFIX}detection:d0000")  # a hash is missing
    raw.hset(f"{KEY_PREFIX}detection:d0001", "image_width", "61")  # another value
    raw.hset(f"{KEY_PREFIX}detection:d0002", "colour", "red")  # a field too many
    raw.zrem(f"{KEY_PREFIX}times", "d0003")  # not listed
    raw.zadd(f"{KEY_PREFIX}camera:{disk[4].camera_id}:times", {"d0004": 77})  # listed at another time
    await index.put(replace(disk[5], camera_id="elsewhere", track_id="other"))  # quite different
    await index.put(make_metadata("gone", camera_id="closed", track_id="t1", person_id="p9"))  # not on disk
    raw.zadd(f"{KEY_PREFIX}person:stranger:times", {"d0006": 6})  # listed where it does not belong
    raw.zadd(f"{KEY_PREFIX}track:t1:times", {"ghost": 1})  # listed without a hash
    raw.delete(f"{KEY_PREFIX}cameras")
    raw.sadd(f"{KEY_PREFIX}cameras", "imaginary")
    raw.delete(f"{KEY_PREFIX}detection:d0007", f"{KEY_PREFIX}person:p1:times")
    raw.set(f"{KEY_PREFIX}detection:d0007", "of another type")
    raw.lpush(f"{KEY_PREFIX}person:p1:times", "of another type")
    raw.set(f"{KEY_PREFIX}rate:someone", "not ours")

    listed_as_p1 = {each.detection_id for each in disk if each.person_id == "p1"}
    wrong = {f"d{number:04}" for number in (0, 1, 2, 3, 4, 5, 7)} | listed_as_p1
    report = await index.reconcile(disk)
    assert report == ReconcileReport(written=len(wrong), removed=len({"gone", "ghost", "d0005", "d0006"}))
    after = dump(raw)
    assert after.pop(f"{KEY_PREFIX}rate:someone") == "not ours"
    assert after == expected


async def test_an_empty_disk_empties_redis(
    index: MetadataIndex, raw: redis.Redis, disk: list[DetectionMetadata]
) -> None:
    await index.reconcile(disk)
    assert await index.reconcile([]) == ReconcileReport(written=0, removed=1234)
    assert list(dump(raw)) == [f"{KEY_PREFIX}in_step"]


async def test_an_empty_redis_is_asked_for_nothing(
    index: MetadataIndex, raw: redis.Redis, make_metadata: MakeMetadata
) -> None:
    def calls() -> dict[str, int]:
        return {name: stats["calls"] for name, stats in raw.info("commandstats").items()}

    disk = [make_metadata(f"d{number}", track_id=None, person_id=None) for number in range(9)]
    before = calls()
    await index.reconcile(disk)
    after = calls()
    assert after.get("cmdstat_hgetall", 0) == before.get("cmdstat_hgetall", 0)
    assert after["cmdstat_hset"] == before.get("cmdstat_hset", 0) + len(disk)
    # All detections, and one camera's: one command each.
    assert after["cmdstat_zadd"] == before.get("cmdstat_zadd", 0) + 2


async def test_the_disk_may_be_read_asynchronously(index: MetadataIndex, disk: list[DetectionMetadata]) -> None:
    async def read() -> AsyncIterator[DetectionMetadata]:
        for each in disk[:3]:
            yield each

    assert await index.reconcile(read()) == ReconcileReport(written=3, removed=0)


async def test_one_that_broke_off_leaves_redis_out_of_step(index: MetadataIndex, disk: list[DetectionMetadata]) -> None:
    def break_off() -> Iterator[DetectionMetadata]:
        yield from disk
        raise OSError("the disk is gone")

    await index.reconcile(disk)
    with pytest.raises(OSError, match="the disk is gone"):
        await index.reconcile(break_off())
    assert await index.is_in_step() is False
