"""Detections' metadata in Redis: what queries and other programs look up. Rebuilt from the disk whenever they differ.

Writes of one detection are atomic, and right also when several run at once. Redis being away is the error
`Unavailable`, within seconds: no request hangs on it.
"""

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from service.errors import Unavailable
from service.observability.metrics import Metrics
from service.records import DetectionFilter, DetectionMetadata, DetectionPage
from service.storage.metadata.listing_cursor import ListingCursor
from service.storage.metadata.metadata_hash import from_hash, read_hashes
from service.storage.metadata.metadata_reconciliation import MetadataReconciliation, ReconcileReport
from service.storage.metadata.metadata_writer import MetadataWriter
from service.storage.metadata.redis_keys import RedisKeys
from service.storage.metadata.time_order import first_places, nearby_in_time, places_after
from service.storage.metadata.timed_redis import TimedRedis
from service.storage.redis_errors import (
    is_of_other_type,
    redis_failures_are_unavailability,
    why_unsuitable,
)
from service.storage.redis_url import require_redis_url

# A writer holds one connection while it reads through a second; readers hold one. Fewer writers than connections
# therefore never wait for each other in a circle.
_CONNECTIONS = 64
_WRITERS = 16

# How many members of a sorted set are looked at together while a listing looks for those that match.
_MIN_WALKED_AT_ONCE = 50
_MAX_WALKED_AT_ONCE = 500

_SETTING = "QACONV_REDIS_URL"
_OUT_OF_STEP = "Redis is not in step with the disk, which is being mended: try again"


@dataclass(frozen=True, slots=True)
class CameraSummary:
    """How many detections a camera has, and from when to when."""

    camera_id: str
    count: int
    first_timestamp_us: int
    last_timestamp_us: int


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """By what a Redis shows that it lost single keys: how many detections it lists, how many keys it ever evicted."""

    listed: int
    evicted: int


class MetadataIndex:
    """The metadata of all detections in one Redis, under one prefix."""

    def __init__(self, client: Redis, keys: RedisKeys) -> None:
        self._client = client
        self._keys = keys
        self._writer = MetadataWriter(client, keys, max_at_once=_WRITERS)
        self._step_token = uuid4().hex
        self._redis_run_id: str | None = None
        self._is_mistrusted = False

    @classmethod
    def connect(cls, url: str, key_prefix: str, timeout_seconds: float = 5.0, metrics: Metrics | None = None) -> Self:
        """An index in the Redis of a URL (redis://, rediss:// or unix://); connections are made when needed.

        Args:
            url: where Redis is.
            key_prefix: what every key begins with.
            timeout_seconds: how long Redis may take to be connected to, and to answer one command.
            metrics: where commands are timed.

        Raises:
            ValueError: this is no such URL.
        """
        require_redis_url(url, _SETTING)
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # A pooled connection may be of a Redis that was restarted meanwhile; a new one tells. Commands that timed
            # out are not sent again: that would only double the wait.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            decode_responses=True,
            encoding_errors="surrogateescape",  # others may have put keys beside ours that are no UTF-8
            protocol=2,
        )
        return cls(TimedRedis.on(pool, metrics or Metrics()), RedisKeys(key_prefix))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def refuse_unsuitable(self) -> None:
        """Passes where this is a Redis that the service can use, or does not answer now.

        Raises:
            ValueError: it is a cluster or a Sentinel, which stays so.
        """
        with suppress(Unavailable):
            if (reason := why_unsuitable(await self._ask_server(), _SETTING)) is not None:
                raise ValueError(reason)

    def mistrust(self) -> None:
        """Compare Redis with the disk before it is believed again."""
        self._is_mistrusted = True

    @redis_failures_are_unavailability
    async def put(self, metadata: DetectionMetadata) -> None:
        """Write the metadata of a detection, in place of any of that ID. The same again changes nothing."""
        await self._writer.put(metadata)

    @redis_failures_are_unavailability
    async def delete(self, detection_ids: Sequence[str]) -> None:
        """Remove detections. Those that are not there are no error."""
        await self._writer.delete(detection_ids)

    @redis_failures_are_unavailability
    async def get(self, detection_ids: Sequence[str]) -> list[DetectionMetadata | None]:
        """The metadata of detections, in their order; None for those that are not there."""
        hashes = await read_hashes(self._client, self._keys, detection_ids)
        try:
            return [from_hash(fields) if fields else None for fields in hashes]
        except Unavailable:
            self.mistrust()
            raise

    @redis_failures_are_unavailability
    async def nearby(
        self,
        camera_id: str,
        timestamp_us: int,
        tau_us: int,
        limit: int,
    ) -> tuple[list[str], bool]:
        """The detections of a camera within |Δt| < τ of a time, closest first, ties by ID.

        Args:
            camera_id: the camera.
            timestamp_us: the time, microseconds.
            tau_us: τ, microseconds.
            limit: how many at most.

        Returns:
            Their IDs, and whether there were more than `limit`.
        """
        earliest_us, latest_us = timestamp_us - tau_us + 1, timestamp_us + tau_us - 1
        key = self._keys.camera_times(camera_id)
        return await nearby_in_time(
            self._client, key, timestamp_us, earliest_us=earliest_us, latest_us=latest_us, limit=limit
        )

    @redis_failures_are_unavailability
    async def list_page(
        self, detection_filter: DetectionFilter, limit: int, cursor: str | None = None
    ) -> DetectionPage:
        """At most `limit` detections that match, ordered by timestamp, then ID, after those of the last page.

        A detection that is there from the first page to the last is listed exactly once, whatever is added or removed
        meanwhile.

        Raises:
            InvalidField: the cursor is none of this service.
        """
        after = None if cursor is None else ListingCursor.decode(cursor)
        found = await self._matching(detection_filter, after, limit + 1)
        shown = found[:limit]
        is_last = len(found) <= limit
        end = None if is_last else ListingCursor(shown[-1].timestamp_us, shown[-1].detection_id).encode()
        return DetectionPage(tuple(shown), end)

    @redis_failures_are_unavailability
    async def matching_ids(self, detection_filter: DetectionFilter) -> list[str]:
        """The IDs of all detections that match, ordered by timestamp, then ID."""
        return [each.detection_id for each in await self._matching(detection_filter, None, None)]

    @redis_failures_are_unavailability
    async def camera_summary(self) -> list[CameraSummary]:
        """Every camera that has detections, ordered by ID."""
        cameras = sorted(str(camera) for camera in await self._client.smembers(self._keys.cameras))
        async with self._client.pipeline(transaction=True) as pipeline:
            for camera in cameras:
                key = self._keys.camera_times(camera)
                pipeline.zcard(key)
                pipeline.zrange(key, 0, 0, withscores=True)
                pipeline.zrange(key, -1, -1, withscores=True)
            answers = await pipeline.execute()
        return [
            CameraSummary(camera, count, int(first[0][1]), int(last[0][1]))
            for camera, count, first, last in zip(cameras, answers[::3], answers[1::3], answers[2::3], strict=True)
            if count > 0
        ]

    @redis_failures_are_unavailability
    async def reconcile(
        self,
        metadata: Iterable[DetectionMetadata] | AsyncIterable[DetectionMetadata],
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> ReconcileReport:
        """Bring Redis to exactly what the disk says. Nothing else may write meanwhile.

        Args:
            metadata: all metadata of the disk.
            on_progress: called now and then with the number of detections compared so far.
        """
        server = await self._ask_server()
        if (reason := why_unsuitable(server, _SETTING)) is not None:
            raise Unavailable(reason)
        await self._client.delete(self._keys.in_step)
        report = await MetadataReconciliation(self._client, self._keys).run(metadata, on_progress)
        await self._client.set(self._keys.in_step, self._step_token)
        self._redis_run_id, self._is_mistrusted = server.get("run_id"), False
        return report

    @redis_failures_are_unavailability
    async def is_in_step(self) -> bool:
        """Whether this is still the Redis that was brought in step: not emptied, restarted or replaced since.

        A restarted Redis counts as out of step, because without a synchronised append-only file it may have lost the
        last writes.
        """
        if self._is_mistrusted:
            return False
        async with self._client.pipeline(transaction=False) as pipeline:
            self._queue_step_question(pipeline)
            token, server = await pipeline.execute()
        return self._is_in_step(token, server)

    @redis_failures_are_unavailability
    async def require_in_step(self) -> None:
        """Refuses to believe what this Redis lacks, unless it `is_in_step`.

        Raises:
            Unavailable: it is not in step, or does not answer.
        """
        if not await self.is_in_step():
            raise Unavailable(_OUT_OF_STEP)

    @redis_failures_are_unavailability
    async def require_writable(self, *, is_removal: bool = False) -> None:
        """As `require_in_step`; and refuses a write that this Redis would refuse later, when half of it is done.

        Args:
            is_removal: the write only takes away, for which a Redis without memory does.

        Raises:
            Unavailable: it is not in step, does not answer, or refuses writes for whatever reason.
        """
        async with self._client.pipeline(transaction=False) as pipeline:
            self._queue_step_question(pipeline)
            # Both count as writes and change nothing: the marker has no expiry, and no bytes are put into it.
            if is_removal:
                pipeline.persist(self._keys.in_step)
            else:
                pipeline.setrange(self._keys.in_step, 0, "")
            token, server, _ = await pipeline.execute()
        if self._is_mistrusted or not self._is_in_step(token, server):
            raise Unavailable(_OUT_OF_STEP)

    @redis_failures_are_unavailability
    async def count_keys(self) -> KeyCounts:
        """What changes where single keys are lost; cheap."""
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.zcard(self._keys.times)
            pipeline.info("stats")
            listed, stats = await pipeline.execute(raise_on_error=False)
        if isinstance(listed, Exception) and is_of_other_type(listed):
            listed = 0  # whatever is there, it lists no detection
        for answer in (listed, stats):
            if isinstance(answer, Exception):
                raise answer
        return KeyCounts(int(listed), int(stats["evicted_keys"]))

    @redis_failures_are_unavailability
    async def _ask_server(self) -> Mapping[str, Any]:
        server: Mapping[str, Any] = await self._client.info("server")
        return server

    def _queue_step_question(self, pipeline: Pipeline) -> None:
        pipeline.get(self._keys.in_step)
        pipeline.info("server")

    def _is_in_step(self, token: object, server: Mapping[str, Any]) -> bool:
        return token == self._step_token and server.get("run_id") == self._redis_run_id

    async def _matching(
        self, detection_filter: DetectionFilter, after: ListingCursor | None, wanted: int | None
    ) -> list[DetectionMetadata]:
        """The first `wanted` detections after a place that match, or all."""
        key = await self._narrowest(detection_filter)
        walked_at_once = min(max(wanted or _MAX_WALKED_AT_ONCE, _MIN_WALKED_AT_ONCE), _MAX_WALKED_AT_ONCE)
        found: list[DetectionMetadata] = []
        while wanted is None or len(found) < wanted:
            if after is None:
                places = await first_places(self._client, key, detection_filter.time_from_us, walked_at_once)
            else:
                places = await places_after(self._client, key, after, walked_at_once)
            if not places:
                break
            detections = await self.get([place.detection_id for place in places])
            found += [
                each
                for each, place in zip(detections, places, strict=True)
                # Removed or moved to another time since the set was read: not at this place any more.
                if each is not None and each.timestamp_us == place.timestamp_us and detection_filter.matches(each)
            ]
            after = places[-1]
            if detection_filter.time_to_us is not None and after.timestamp_us >= detection_filter.time_to_us:
                break
        return found if wanted is None else found[:wanted]

    async def _narrowest(self, detection_filter: DetectionFilter) -> str:
        """The sorted set, of those that hold all that match, with the fewest members in the time asked for."""
        labels = {
            "camera_id": detection_filter.camera_id,
            "track_id": detection_filter.track_id,
            "person_id": detection_filter.person_id,
        }
        keys = self._keys.memberships({name: value for name, value in labels.items() if value is not None})
        start = "-inf" if detection_filter.time_from_us is None else detection_filter.time_from_us
        end = "+inf" if detection_filter.time_to_us is None else f"({detection_filter.time_to_us}"
        async with self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.zcount(key, start, end)
            counts: list[int] = await pipeline.execute()
        return min(zip(counts, keys, strict=True))[1]
