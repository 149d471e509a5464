"""Atomic writes of detections' metadata: what was there is taken out and what replaces it put in, in one transaction.

A replaced detection may have been listed under another camera, track or person. Its old hash says which; WATCH makes
the transaction fail, and be repeated, where another writer changed that hash in between.
"""

import asyncio
from collections.abc import Mapping, Sequence

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import OutOfMemoryError, WatchError

from service.records import DetectionMetadata
from service.storage.metadata.metadata_hash import read_hashes, to_hash
from service.storage.metadata.redis_keys import RedisKeys

_REMOVED_AT_ONCE = 500


class MetadataWriter:
    """Writes to the hashes, the sorted sets and the set of cameras together."""

    def __init__(self, client: Redis, keys: RedisKeys, max_at_once: int) -> None:
        self._client = client
        self._keys = keys
        self._turns = asyncio.Semaphore(max_at_once)

    async def put(self, metadata: DetectionMetadata) -> None:
        """Write a detection in place of any of that ID."""
        await self._replace([metadata.detection_id], {metadata.detection_id: metadata})

    async def delete(self, detection_ids: Sequence[str]) -> None:
        """Remove detections."""
        for start in range(0, len(detection_ids), _REMOVED_AT_ONCE):
            part = detection_ids[start : start + _REMOVED_AT_ONCE]
            try:
                await self._replace(part, {})
            except OutOfMemoryError:
                await self._remove_without_memory(part)

    async def _replace(self, detection_ids: Sequence[str], replacements: Mapping[str, DetectionMetadata]) -> None:
        async with self._turns, self._client.pipeline(transaction=True) as pipeline:
            while True:
                old_hashes = await self._watched_hashes(pipeline, detection_ids)
                pipeline.multi()  # type: ignore[no-untyped-call]
                for each, old in zip(detection_ids, old_hashes, strict=True):
                    self._queue_removal(pipeline, each, old)
                for new in replacements.values():
                    self._queue_addition(pipeline, new)
                try:
                    await pipeline.execute()
                    break
                except WatchError:
                    continue  # another writer was first: what is to be taken out has changed
        old_cameras = {old["camera_id"] for old in old_hashes if "camera_id" in old}
        for camera in old_cameras - {new.camera_id for new in replacements.values()}:
            await self._forget_empty_camera(camera)

    async def _remove_without_memory(self, detection_ids: Sequence[str]) -> None:
        """Removes detections where Redis is full: it refuses every transaction then, but no command that frees memory.

        Another write of these detections cannot come between, for it would be refused.
        """
        old_hashes = await read_hashes(self._client, self._keys, detection_ids)
        async with self._client.pipeline(transaction=False) as pipeline:
            for each, old in zip(detection_ids, old_hashes, strict=True):
                self._queue_removal(pipeline, each, old)
            await pipeline.execute()

    async def _watched_hashes(self, pipeline: Pipeline, detection_ids: Sequence[str]) -> list[dict[str, str]]:
        # A pipeline that watches sends its commands one by one; a second connection reads them all at once.
        await pipeline.watch(*(self._keys.detection(each) for each in detection_ids))
        return await read_hashes(self._client, self._keys, detection_ids)

    def _queue_removal(self, pipeline: Pipeline, detection_id: str, old: Mapping[str, str]) -> None:
        for membership in self._keys.memberships(old):
            pipeline.zrem(membership, detection_id)
        # Last, because it says what the detection is a member of.
        pipeline.delete(self._keys.detection(detection_id))

    def _queue_addition(self, pipeline: Pipeline, new: DetectionMetadata) -> None:
        fields = to_hash(new)
        pipeline.hset(self._keys.detection(new.detection_id), mapping=fields)  # type: ignore[arg-type]
        for membership in self._keys.memberships(fields):
            pipeline.zadd(membership, {new.detection_id: new.timestamp_us})
        pipeline.sadd(self._keys.cameras, new.camera_id)

    async def _forget_empty_camera(self, camera_id: str) -> None:
        times = self._keys.camera_times(camera_id)
        async with self._client.pipeline(transaction=True) as pipeline:
            await pipeline.watch(times)
            if await pipeline.zcard(times) > 0:
                return
            pipeline.multi()  # type: ignore[no-untyped-call]
            pipeline.srem(self._keys.cameras, camera_id)
            try:
                await pipeline.execute()
            except WatchError:
                return  # the camera has got a detection just now, or another deletion sees to it
