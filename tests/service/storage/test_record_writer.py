"""Writes where the capacity, the disk or the queue is full: said, and the store stays usable."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from service.errors import QueueFull, StorageFull
from service.records import DetectionRecord
from service.storage.detection_store import DetectionStore
from tests.service.storage.small_disk import run_on_small_disk

pytestmark = pytest.mark.anyio

MakeRecord = Callable[..., DetectionRecord]


async def test_a_full_store_says_so_and_stays_usable(data_dir: Path, make_record: MakeRecord) -> None:
    store = DetectionStore.open(data_dir, capacity_bytes=2**20)
    stored: list[str] = []

    async def fill() -> None:
        for number in range(100):
            await store.put(make_record(f"d{number}"))
            stored.append(f"d{number}")

    with pytest.raises(StorageFull, match=r"[\d,]+ of at most 1,048,576 bytes.*Erase.*QACONV_DISK_CAPACITY_BYTES"):
        await fill()
    assert 10 < len(stored) < 20  # a record takes 14 or 15 pages of 4 KiB
    assert store.used_bytes() <= 2**20
    assert {each.metadata.detection_id for each in store.iterate_records()} == set(stored)
    assert len(await store.delete(stored[:2])) == 2
    assert await store.put(make_record("again")) is True
    for _ in range(50):  # the space of what is replaced and erased is used again
        await store.put(make_record("again"))
        await store.delete(["again"])
        await store.put(make_record("again"))
    assert len(await store.delete([*stored, "again"])) == len(stored) - 1
    assert store.count() == 0
    store.close()


async def test_a_record_larger_than_the_file_may_grow_is_refused(data_dir: Path, make_record: MakeRecord) -> None:
    store = DetectionStore.open(data_dir, capacity_bytes=2**20)
    small = [store.put(make_record(f"s{number}")) for number in range(4)]
    results = await asyncio.gather(*small, store.put(make_record("large", crop_bytes=2**23)), return_exceptions=True)
    assert results[:4] == [True] * 4
    assert isinstance(results[4], StorageFull)
    assert store.get_record("large") is None
    assert store.count() == 4
    store.close()


async def test_a_bounded_number_of_writes_waits(data_dir: Path, make_record: MakeRecord) -> None:
    store = DetectionStore.open(data_dir, max_waiting=3)
    results = await asyncio.gather(
        *(store.put(make_record(f"d{number}")) for number in range(50)), return_exceptions=True
    )
    refused = [each for each in results if isinstance(each, QueueFull)]
    assert refused
    assert store.count() == 50 - len(refused)
    assert results.count(True) == store.count()
    store.close()


FILL = """
import asyncio, sys
from pathlib import Path
import numpy as np
from service.errors import StorageFull
from service.records import DetectionMetadata, DetectionRecord
from service.storage.detection_store import DetectionStore

def record(name):
    metadata = DetectionMetadata(name, "c", 0, None, None, 1, 1, "image/png", "f", 0)
    return DetectionRecord(metadata, np.ones((128, 24, 8), np.float16), name.encode() * 300)

async def main():
    store = DetectionStore.open(Path(sys.argv[1]))
    try:
        for stored in range(100):
            await store.put(record(f"d{stored}"))
    except StorageFull as error:
        print(error)
    assert store.count() == stored
    for number in range(5):
        assert len(await store.delete([f"d{number}"])) == 1
    assert await store.put(record("again")) is True
    assert len(list(store.iterate_records())) == stored - 4
    store.close()

asyncio.run(main())
"""


def test_a_full_disk_is_said_to_be_full_and_the_store_stays_usable(tmp_path: Path) -> None:
    assert "is full: 0 bytes are free" in run_on_small_disk(tmp_path, 8, FILL)
