import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from service.errors import InvalidField, Unavailable
from service.records import DetectionFilter, DetectionMetadata
from service.storage.embedded_redis import EmbeddedRedis
from service.storage.metadata.metadata_index import CameraSummary, MetadataIndex

pytestmark = pytest.mark.anyio

KEY_PREFIX = "test[1]*:"  # as in conftest.py

MakeMetadata = Callable[..., DetectionMetadata]
EVERYTHING = DetectionFilter()


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    """A second client, which looks at the keys."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def contents(raw: redis.Redis) -> dict[str, object]:
    """Everything under the prefix but the marker."""
    read = {"hash": raw.hgetall, "zset": lambda key: dict(raw.zrange(key, 0, -1, withscores=True)), "set": raw.smembers}
    keys = [key for key in raw.scan_iter() if key.startswith(KEY_PREFIX) and not key.endswith("in_step")]
    return {key.removeprefix(KEY_PREFIX): read[raw.type(key)](key) for key in keys}


async def test_put_writes_what_other_programs_look_up(
    index: MetadataIndex, raw: redis.Redis, make_metadata: MakeMetadata
) -> None:
    await index.put(make_metadata("a", camera_id="c:1", timestamp_us=5, track_id="t", person_id="p"))
    assert contents(raw) == {
        "detection:a": {
            "detection_id": "a",
            "camera_id": "c:1",
            "timestamp_us": "5",
            "track_id": "t",
            "person_id": "p",
            "image_width": "60",
            "image_height": "160",
            "image_media_type": "image/jpeg",
            "model_fingerprint": "f" * 64,
            "created_at_us": "1790000000000001",
        },
        "times": {"a": 5.0},
        "camera:c:1:times": {"a": 5.0},
        "track:t:times": {"a": 5.0},
        "person:p:times": {"a": 5.0},
        "cameras": {"c:1"},
    }


async def test_replacing_leaves_nothing_of_the_old(
    index: MetadataIndex, raw: redis.Redis, make_metadata: MakeMetadata
) -> None:
    old = make_metadata("a", camera_id="c1", timestamp_us=5, track_id="t", person_id="p")
    new = make_metadata("a", camera_id="c2", timestamp_us=6, person_id="q")
    await index.put(new)
    expected = contents(raw)
    await index.put(old)
    await index.put(new)
    assert contents(raw) == expected
    await index.put(new)
    assert contents(raw) == expected
    assert await index.get(["a"]) == [new]


async def test_deleting_leaves_nothing(index: MetadataIndex, raw: redis.Redis, make_metadata: MakeMetadata) -> None:
    names = [f"d{number}" for number in range(1200)]
    await asyncio.gather(
        *(index.put(make_metadata(name, camera_id=f"c{at % 3}", track_id=f"t{at}")) for at, name in enumerate(names))
    )
    await index.delete(names[1:])
    assert sorted(contents(raw)) == ["camera:c0:times", "cameras", "detection:d0", "times", "track:t0:times"]
    assert contents(raw)["cameras"] == {"c0"}
    await index.delete([*names, "nobody"])
    assert contents(raw) == {}
    await index.delete([])


async def test_get_keeps_the_order_and_says_what_is_not_there(
    index: MetadataIndex, make_metadata: MakeMetadata
) -> None:
    a, b = make_metadata("a"), make_metadata("b", track_id="t")
    await index.put(a)
    await index.put(b)
    assert await index.get(["b", "x", "a", "b"]) == [b, None, a, b]
    assert await index.get([]) == []


async def test_writers_of_the_same_detection_leave_one_state(
    index: MetadataIndex, raw: redis.Redis, make_metadata: MakeMetadata
) -> None:
    drawn = random.Random(1)
    versions = [make_metadata("a", camera_id=f"c{drawn.randrange(5)}", timestamp_us=time_us) for time_us in range(40)]
    await asyncio.gather(*(index.put(each) for each in versions), index.delete(["a"]), index.delete(["a"]))
    await index.put(versions[0])
    camera = versions[0].camera_id
    assert sorted(contents(raw)) == sorted([f"camera:{camera}:times", "cameras", "detection:a", "times"])
    assert contents(raw)["cameras"] == {camera}


async def test_more_writers_than_connections_do_not_wait_in_a_circle(
    index: MetadataIndex, make_metadata: MakeMetadata
) -> None:
    names = [f"d{number}" for number in range(300)]
    await asyncio.gather(*(index.put(make_metadata(name)) for name in names), *(index.get(names) for _ in range(100)))
    assert None not in await index.get(names)


async def test_nearby_is_strictly_within_tau(index: MetadataIndex, make_metadata: MakeMetadata) -> None:
    for name, time_us in {"a": 0, "b": 1, "c": 100, "d": 199, "e": 200, "f": 100}.items():
        await index.put(make_metadata(name, timestamp_us=time_us))
    await index.put(make_metadata("other", camera_id="c2", timestamp_us=100))
    assert await index.nearby("c1", 100, 100, 64) == (["c", "f", "b", "d"], False)
    assert await index.nearby("c1", 100, 101, 3) == (["c", "f", "b"], True)
    assert await index.nearby("c1", 100, 0, 64) == ([], False)
    assert await index.nearby("nowhere", 100, 100, 64) == ([], False)


@pytest.fixture
async def crowd(index: MetadataIndex, make_metadata: MakeMetadata) -> list[DetectionMetadata]:
    """Many detections with few distinct times, in the order of a listing."""
    drawn = random.Random(2)
    crowd = [
        make_metadata(
            f"d{number}",
            camera_id=f"c{drawn.randrange(3)}",
            timestamp_us=drawn.randrange(8),
            track_id=drawn.choice([None, "t1", "t2"]),
            person_id=drawn.choice([None, "p1"]),
        )
        for number in range(120)
    ]
    await asyncio.gather(*(index.put(each) for each in crowd))
    return sorted(crowd, key=lambda each: (each.timestamp_us, each.detection_id))


@pytest.mark.parametrize(
    "meant",
    [
        EVERYTHING,
        DetectionFilter(camera_id="c1"),
        DetectionFilter(track_id="t1", person_id="p1"),
        DetectionFilter(camera_id="c0", track_id="t2", person_id="p1", time_from_us=2, time_to_us=6),
        DetectionFilter(time_from_us=3),
        DetectionFilter(time_to_us=3),
        DetectionFilter(time_from_us=5, time_to_us=5),
        DetectionFilter(camera_id="nowhere"),
    ],
    ids=str,
)
async def test_pages_together_are_the_whole_list(
    index: MetadataIndex, crowd: list[DetectionMetadata], meant: DetectionFilter
) -> None:
    expected = [each for each in crowd if meant.matches(each)]
    for limit in (1, 7, 119, 120, 121):
        found: list[DetectionMetadata] = []
        cursor = None
        pages = 0
        while pages == 0 or cursor is not None:
            page = await index.list_page(meant, limit, cursor)
            assert len(page.detections) <= limit
            found += page.detections
            cursor = page.next_cursor
            pages += 1
        assert found == expected
        assert pages == max(1, -(-len(expected) // limit))
    assert await index.matching_ids(meant) == [each.detection_id for each in expected]


async def test_pages_stand_additions_and_removals_in_between(
    index: MetadataIndex, crowd: list[DetectionMetadata], make_metadata: MakeMetadata
) -> None:
    first = await index.list_page(EVERYTHING, 60)
    assert list(first.detections) == crowd[:60]
    await index.delete([each.detection_id for each in crowd[30:70]])  # the cursor's own detection among them
    await index.put(make_metadata("earlier", timestamp_us=-1))
    await index.put(make_metadata("later", timestamp_us=99))
    rest = await index.list_page(EVERYTHING, 1000, first.next_cursor)
    assert [each.detection_id for each in rest.detections] == [
        *(each.detection_id for each in crowd[70:]),
        "later",
    ]
    assert rest.next_cursor is None


async def test_a_filter_that_few_match_is_walked_to_the_end(index: MetadataIndex, make_metadata: MakeMetadata) -> None:
    for number in range(220):
        await index.put(make_metadata(f"d{number:04}", track_id="t", timestamp_us=number))
        await index.put(make_metadata(f"e{number:04}", person_id="p", timestamp_us=number))
    await index.put(make_metadata("last", track_id="t", person_id="p", timestamp_us=2000))
    page = await index.list_page(DetectionFilter(track_id="t", person_id="p"), 1)
    assert [each.detection_id for each in page.detections] == ["last"]
    assert page.next_cursor is None


async def test_a_wrong_cursor_is_refused(index: MetadataIndex) -> None:
    with pytest.raises(InvalidField, match="'nonsense' is no cursor"):
        await index.list_page(EVERYTHING, 10, "nonsense")


async def test_cameras_are_summed_up(index: MetadataIndex, make_metadata: MakeMetadata) -> None:
    assert await index.camera_summary() == []
    for name, camera, time_us in [("a", "c2", 3), ("b", "c2", -7), ("c", "c1", 5), ("d", "c3", 1)]:
        await index.put(make_metadata(name, camera_id=camera, timestamp_us=time_us))
    await index.delete(["d"])
    assert await index.camera_summary() == [CameraSummary("c1", 1, 5, 5), CameraSummary("c2", 2, -7, 3)]


async def test_another_prefix_is_another_gallery(
    index: MetadataIndex, redis_url: str, make_metadata: MakeMetadata
) -> None:
    other = MetadataIndex.connect(redis_url, "other:")
    await other.put(make_metadata("a"))
    assert await index.get(["a"]) == [None]
    assert (await index.list_page(EVERYTHING, 10)).detections == ()
    await index.reconcile([])
    assert await other.get(["a"]) == [make_metadata("a")]
    await other.close()


async def test_a_redis_that_was_emptied_is_out_of_step(index: MetadataIndex, raw: redis.Redis, redis_url: str) -> None:
    assert await index.is_in_step() is False
    await index.reconcile([])
    assert await index.is_in_step() is True
    other_service = MetadataIndex.connect(redis_url, KEY_PREFIX)
    assert await other_service.is_in_step() is False
    await other_service.close()
    raw.flushall()
    assert await index.is_in_step() is False


@pytest.fixture
async def nowhere(tmp_path: Path) -> AsyncIterator[MetadataIndex]:
    index = MetadataIndex.connect(f"unix://{tmp_path}/no.sock", KEY_PREFIX)
    yield index
    await index.close()


async def test_no_redis_is_unavailability(nowhere: MetadataIndex, make_metadata: MakeMetadata) -> None:
    await nowhere.refuse_unsuitable()
    calls = [
        nowhere.put(make_metadata("a")),
        nowhere.delete(["a"]),
        nowhere.get(["a"]),
        nowhere.nearby("c", 0, 1, 1),
        nowhere.list_page(EVERYTHING, 1),
        nowhere.matching_ids(EVERYTHING),
        nowhere.camera_summary(),
        nowhere.reconcile([]),
        nowhere.is_in_step(),
    ]
    for call in calls:
        with pytest.raises(Unavailable, match="Redis cannot be reached"):
            await call


async def test_a_redis_that_hangs_holds_no_request_for_long(make_metadata: MakeMetadata) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = MetadataIndex.connect(f"redis://127.0.0.1:{silent.getsockname()[1]}", KEY_PREFIX, timeout_seconds=0.2)
        began = time.monotonic()
        with pytest.raises(Unavailable, match="did not answer in time"):
            await index.put(make_metadata("a"))
        assert time.monotonic() - began < 5
        await index.close()


async def test_a_redis_out_of_memory_is_unavailability(
    index: MetadataIndex, raw: redis.Redis, make_metadata: MakeMetadata
) -> None:
    raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(Unavailable, match="out of memory"):
            await index.put(make_metadata("a"))
    finally:
        raw.config_set("maxmemory", 0)
    await index.put(make_metadata("a"))
    assert await index.get(["a"]) == [make_metadata("a")]


async def test_a_redis_that_was_restarted_is_used_again_and_known_for_new(
    data_dir: Path, make_metadata: MakeMetadata
) -> None:
    server = EmbeddedRedis.start(data_dir)
    index = MetadataIndex.connect(server.url, KEY_PREFIX)
    await index.reconcile([make_metadata("a")])
    assert await index.is_in_step() is True
    socket_path = Path(server.url.removeprefix("unix://"))
    server.stop()
    with pytest.raises(Unavailable):
        await index.get(["a"])
    server = EmbeddedRedis.start(data_dir)
    Path(server.url.removeprefix("unix://")).rename(socket_path)  # as a Redis on a port would come back
    with redis.Redis.from_url(f"unix://{socket_path}") as client:  # even with all that it had
        client.set(f"{KEY_PREFIX}in_step", index._step_token)
    assert await index.get(["a"]) == [None]
    assert await index.is_in_step() is False
    await index.reconcile([replace(make_metadata("a"), camera_id="c2")])
    assert await index.is_in_step() is True
    await index.close()
    server.stop()
    socket_path.unlink(missing_ok=True)
