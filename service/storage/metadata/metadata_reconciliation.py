"""Bringing Redis to exactly what the disk says, where they differ.

Nothing else may write meanwhile: this is a step of recovery, before the service is ready.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from redis.asyncio import Redis

from service.records import DetectionMetadata
from service.storage.metadata.metadata_hash import read_hashes, to_hash
from service.storage.metadata.redis_keys import RedisKeys

Item = TypeVar("Item")

# Commands sent together. Larger batches gain little and make other users of that Redis wait.
_BATCH = 500


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """What was done: how many detections were missing or different, and how many had no record on the disk.

    A detection that was listed under a camera, track or person that is not its own counts among the removed, too.
    """

    written: int
    removed: int


class MetadataReconciliation:
    """One run over all metadata of the disk and all keys of the service in Redis."""

    def __init__(self, client: Redis, keys: RedisKeys) -> None:
        self._client = client
        self._keys = keys
        self._members: Counter[str] = Counter()  # how many detections each sorted set should have
        self._on_disk: set[str] = set()
        self._cameras: set[str] = set()
        self._removed: set[str] = set()
        self._was_empty = True

    async def run(
        self,
        metadata: Iterable[DetectionMetadata] | AsyncIterable[DetectionMetadata],
        on_progress: Callable[[int], None],
    ) -> ReconcileReport:
        """Compare everything and write or remove what differs.

        Args:
            metadata: all metadata of the disk.
            on_progress: called after every batch with the number of detections compared so far.
        """
        await self._remove_other_types()
        written = 0
        async for batch in _batches(metadata):
            written += await self._write_differing(batch)
            on_progress(len(self._on_disk))
        if not self._was_empty:
            await self._remove_strays()
        return ReconcileReport(written, len(self._removed))

    async def _remove_other_types(self) -> None:
        async for names in _batches(self._scan()):
            async with self._client.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.type(name)
                types = await pipeline.execute()
            self._was_empty = False
            if wrong := [name for name, kind in zip(names, types, strict=True) if kind != self._keys.type_of(name)]:
                await self._client.unlink(*wrong)

    async def _write_differing(self, batch: Sequence[DetectionMetadata]) -> int:
        hashes = [to_hash(each) for each in batch]
        memberships = [self._keys.memberships(fields) for fields in hashes]
        for each, keys in zip(batch, memberships, strict=True):
            self._on_disk.add(each.detection_id)
            self._cameras.add(each.camera_id)
            self._members.update(keys)
        # An embedded Redis begins with nothing: asking what it has of each would take longer than writing it.
        differing = range(len(batch)) if self._was_empty else await self._differing(batch, hashes, memberships)
        await self._write(batch, hashes, memberships, differing)
        return len(differing)

    async def _differing(
        self,
        batch: Sequence[DetectionMetadata],
        hashes: Sequence[Mapping[str, str]],
        memberships: Sequence[Sequence[str]],
    ) -> Sequence[int]:
        """Numbers of those of a batch that Redis does not have, or has otherwise."""
        states = await self._states([each.detection_id for each in batch], memberships)
        expected = [
            (fields, [each.timestamp_us] * len(keys))
            for each, fields, keys in zip(batch, hashes, memberships, strict=True)
        ]
        return [at for at, (state, wanted) in enumerate(zip(states, expected, strict=True)) if state != wanted]

    async def _write(
        self,
        batch: Sequence[DetectionMetadata],
        hashes: Sequence[Mapping[str, str]],
        memberships: Sequence[Sequence[str]],
        differing: Sequence[int],
    ) -> None:
        """Writes some of a batch, a sorted set's new members in one command, for each costs redis-py its time."""
        members: defaultdict[str, dict[str, int]] = defaultdict(dict)
        async with self._client.pipeline(transaction=True) as pipeline:
            for at in differing:
                key = self._keys.detection(batch[at].detection_id)
                if not self._was_empty:
                    pipeline.delete(key)
                pipeline.hset(key, mapping=hashes[at])  # type: ignore[arg-type]
                for membership in memberships[at]:
                    members[membership][batch[at].detection_id] = batch[at].timestamp_us
            for membership, times in members.items():
                pipeline.zadd(membership, times)
            pipeline.sadd(self._keys.cameras, *{each.camera_id for each in batch})
            await pipeline.execute()

    async def _states(
        self, detection_ids: Sequence[str], memberships: Sequence[Sequence[str]]
    ) -> list[tuple[dict[str, str], list[float | None]]]:
        """What Redis has of detections: the hash, and the score in each sorted set that each should be in."""
        async with self._client.pipeline(transaction=False) as pipeline:
            for each, keys in zip(detection_ids, memberships, strict=True):
                pipeline.hgetall(self._keys.detection(each))
                for key in keys:
                    pipeline.zscore(key, each)
            answers = iter(await pipeline.execute())
        return [(next(answers), [next(answers) for _ in keys]) for keys in memberships]

    async def _remove_strays(self) -> None:
        async for names in _batches(self._scan()):
            ids = {name: self._keys.detection_id_of(name) for name in names}
            strays = {name: each for name, each in ids.items() if each is not None and each not in self._on_disk}
            if strays:
                await self._client.unlink(*strays)
                self._removed.update(strays.values())
            await self._remove_stray_members([name for name in names if self._keys.type_of(name) == "zset"])
        cameras = await self._client.smembers(self._keys.cameras)
        if gone := [camera for camera in cameras if camera not in self._cameras]:
            await self._client.srem(self._keys.cameras, *gone)

    async def _remove_stray_members(self, keys: Sequence[str]) -> None:
        async with self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.zcard(key)
            sizes = await pipeline.execute()
        for key, size in zip(keys, sizes, strict=True):
            # Of the right size, all that belong there were written, so there is nothing else in it.
            if size != self._members[key]:
                await self._remove_strays_of(key)

    async def _remove_strays_of(self, key: str) -> None:
        async for members in _batches(self._client.zscan_iter(key, count=_BATCH)):
            ids = [member for member, _ in members]
            hashes = await read_hashes(self._client, self._keys, ids)
            strays = [
                each
                for each, fields in zip(ids, hashes, strict=True)
                if each not in self._on_disk or key not in self._keys.memberships(fields)
            ]
            if strays:
                await self._client.zrem(key, *strays)
                self._removed.update(strays)

    async def _scan(self) -> AsyncIterator[str]:
        """The service's own keys; SCAN may give one twice."""
        async for name in self._client.scan_iter(match=self._keys.pattern, count=_BATCH):
            if self._keys.type_of(name) is not None:
                yield name


async def _batches(items: Iterable[Item] | AsyncIterable[Item]) -> AsyncIterator[list[Item]]:
    batch: list[Item] = []
    async for item in _as_async(items):
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _as_async(items: Iterable[Item] | AsyncIterable[Item]) -> AsyncIterator[Item]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
