"""Records in data directories that are backed up."""

import asyncio
from dataclasses import replace
from pathlib import Path

from service.storage.detection_store import DetectionStore
from tests.service.storage.test_damaged_file import assert_sound, record


def content_of(data_dir: Path) -> list[str]:
    """The IDs of a data directory, each record of which is sound; nothing in it is damaged."""
    store = DetectionStore.open(data_dir)
    damaged: dict[str, str] = {}
    found = list(store.iterate_records(damaged.__setitem__))
    store.close()
    assert damaged == {}
    for each in found:
        assert_sound(each)
    return [each.metadata.detection_id for each in found]


def put(data_dir: Path, *names: str, created_at_us: int | None = None) -> None:
    async def write() -> None:
        store = DetectionStore.open(data_dir)
        for name in names:
            new = record(name)
            if created_at_us is not None:
                new = replace(new, metadata=replace(new.metadata, created_at_us=created_at_us))
            await store.put(new)
        store.close()

    asyncio.run(write())


def erase(data_dir: Path, *names: str) -> None:
    async def write() -> None:
        store = DetectionStore.open(data_dir)
        await store.delete(names)
        store.close()

    asyncio.run(write())


# Times of the erasures: after and before 10:00, when these records were made.
MADE_US = 1_795_168_800_000_000
