"""Reading the sorted sets of times: who was nearby in time, and walking them in order of timestamp, then ID.

Redis orders equal scores by the bytes of the members, which for ASCII IDs is the order of the IDs themselves.
"""

from collections.abc import Sequence

from redis.asyncio import Redis

from service.storage.metadata.listing_cursor import ListingCursor


async def nearby_in_time(
    client: Redis, key: str, timestamp_us: int, *, earliest_us: int, latest_us: int, limit: int
) -> tuple[list[str], bool]:
    """The members from `earliest_us` to `latest_us`, both included, closest to a time first.

    Ties are ordered by ID.

    Returns:
        At most `limit` IDs, and whether there were more.
    """
    async with client.pipeline(transaction=True) as pipeline:
        wanted = limit + 1
        before_us = min(timestamp_us - 1, latest_us)
        pipeline.zrangebyscore(key, max(timestamp_us, earliest_us), latest_us, start=0, num=wanted, withscores=True)
        pipeline.zrevrangebyscore(key, before_us, earliest_us, start=0, num=wanted, withscores=True)
        later, earlier = map(_places, await pipeline.execute())
    if len(earlier) == wanted:
        # Going backwards, equal times come with the largest ID first, and the cut may have kept the wrong ones.
        oldest_us = earlier[-1].timestamp_us
        tied = await client.zrangebyscore(key, oldest_us, oldest_us, start=0, num=wanted, withscores=True)
        earlier = [place for place in earlier if place.timestamp_us > oldest_us] + _places(tied)
    found = sorted(later + earlier, key=lambda place: (abs(place.timestamp_us - timestamp_us), place.detection_id))
    return [place.detection_id for place in found[:limit]], len(found) > limit


async def first_places(client: Redis, key: str, earliest_us: int | None, limit: int) -> list[ListingCursor]:
    """The first members of a sorted set, or the first from a time on."""
    start: int | str = "-inf" if earliest_us is None else earliest_us
    return _places(await client.zrangebyscore(key, start, "+inf", start=0, num=limit, withscores=True))


async def places_after(client: Redis, key: str, after: ListingCursor, limit: int) -> list[ListingCursor]:
    """The members that follow a place, which itself may be gone or may never have been there.

    Right whatever is added or removed meanwhile: each answer comes from one command or one transaction, and nothing
    is counted from the beginning of the set.
    """
    rank = await client.zrank(key, after.detection_id)
    if isinstance(rank, int):
        places = _places(await client.zrange(key, rank, rank + limit, withscores=True))
        if places and places[0] == after:
            return places[1:]
    async with client.pipeline(transaction=True) as pipeline:
        pipeline.zrangebyscore(key, after.timestamp_us, after.timestamp_us, withscores=True)
        pipeline.zrangebyscore(key, after.timestamp_us + 1, "+inf", start=0, num=limit, withscores=True)
        tied, later = map(_places, await pipeline.execute())
    return ([place for place in tied if place > after] + later)[:limit]


def _places(members: Sequence[object]) -> list[ListingCursor]:
    """Members with scores, as redis-py gives them: pairs of a string and a float that is whole."""
    pairs: Sequence[tuple[str, float]] = members  # type: ignore[assignment]
    return [ListingCursor(int(score), member) for member, score in pairs]
