import random
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from service.storage.metadata.listing_cursor import ListingCursor
from service.storage.metadata.time_order import first_places, nearby_in_time, places_after

pytestmark = pytest.mark.anyio

KEY = "times"


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


async def fill(client: Redis, times: dict[str, int]) -> list[ListingCursor]:
    await client.zadd(KEY, times)  # type: ignore[arg-type]
    return sorted(ListingCursor(time, name) for name, time in times.items())


async def test_nearby_equals_sorting_everything(client: Redis) -> None:
    drawn = random.Random(3)
    times = {f"d{number}": drawn.randrange(40) for number in range(200)}  # many equal times
    await fill(client, times)
    for _ in range(200):
        at, earliest, latest, limit = (drawn.randrange(-5, 45), drawn.randrange(-5, 45), drawn.randrange(-5, 45), 0)
        limit = drawn.choice([1, 2, 3, 5, 10, 1000])
        expected = sorted(
            (name for name, time in times.items() if earliest <= time <= latest),
            key=lambda name: (abs(times[name] - at), name),
        )
        found = await nearby_in_time(client, KEY, at, earliest_us=earliest, latest_us=latest, limit=limit)
        assert found == (expected[:limit], len(expected) > limit)


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
@pytest.mark.parametrize("distinct_times", [1, 5, 1000])
async def test_walking_meets_everything_once_in_order(client: Redis, limit: int, distinct_times: int) -> None:
    drawn = random.Random(4)
    everything = await fill(client, {f"d{number}": drawn.randrange(distinct_times) for number in range(60)})
    walked = places = await first_places(client, KEY, None, limit)
    while places := await places_after(client, KEY, places[-1], limit):
        walked = walked + places
    assert walked == everything


async def test_walking_begins_at_a_time(client: Redis) -> None:
    everything = await fill(client, {f"d{number}": number for number in range(10)})
    assert await first_places(client, KEY, 7, 100) == everything[7:]


async def test_walking_goes_on_after_a_place_that_is_gone_or_moved(client: Redis) -> None:
    await fill(client, {"a": 1, "b": 1, "c": 1, "d": 2, "e": 3})
    rest = [ListingCursor(1, "c"), ListingCursor(2, "d"), ListingCursor(3, "e")]
    await client.zrem(KEY, "b")
    assert await places_after(client, KEY, ListingCursor(1, "b"), 10) == rest
    assert await places_after(client, KEY, ListingCursor(1, "b"), 2) == rest[:2]
    await client.zadd(KEY, {"b": 9})
    assert await places_after(client, KEY, ListingCursor(1, "b"), 10) == [*rest, ListingCursor(9, "b")]


async def test_times_are_exact_to_the_microsecond(client: Redis) -> None:
    latest = 2**53 - 1
    await fill(client, {"a": latest - 1, "b": latest})
    assert await first_places(client, KEY, latest, 10) == [ListingCursor(latest, "b")]
    assert await nearby_in_time(client, KEY, latest - 1, earliest_us=0, latest_us=latest - 1, limit=9) == (["a"], False)
