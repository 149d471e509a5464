"""LMDB frees as many pages as a damaged header says: other records must not be lost by an erasure or a replacement."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.records import DetectionRecord
from service.storage.detection_store import DetectionStore
from service.storage.record_encoding import DamagedRecord, encode_feature_map
from tests.service.storage.data_file import PAGE_BYTES, place_in_file, write_in_file

pytestmark = pytest.mark.anyio

MakeRecord = Callable[..., DetectionRecord]


async def fill(data_dir: Path, make_record: MakeRecord, count: int) -> list[str]:
    store = DetectionStore.open(data_dir)
    names = [f"d{number}" for number in range(count)]
    for name in names:
        await store.put(own_record(make_record, name))
    store.close()
    return names


def own_record(make_record: MakeRecord, name: str) -> DetectionRecord:
    """A record whose feature map is that of no other."""
    feature_map = np.full((128, 24, 8), 0, np.float16)
    feature_map.flat[: len(name)] = list(name.encode())
    return replace(make_record(name), feature_map=feature_map)


def damage_header(data_dir: Path, make_record: MakeRecord, name: str, place: int, content: bytes) -> None:
    value = encode_feature_map(own_record(make_record, name).feature_map)
    begin = place_in_file(data_dir, value) - 16
    assert begin % PAGE_BYTES == 0
    write_in_file(data_dir, begin + place, content)


@pytest.mark.parametrize("way", ["erased", "replaced", "set aside"])
@pytest.mark.parametrize(
    ("place", "content"),
    [
        (12, struct.pack("<I", 40)),  # more pages than there are
        (12, struct.pack("<I", 1)),  # fewer
        (0, struct.pack("<Q", 7)),  # another page's number
    ],
)
async def test_a_damaged_page_header_costs_no_other_record(
    data_dir: Path, make_record: MakeRecord, way: str, place: int, content: bytes
) -> None:
    names = await fill(data_dir, make_record, 12)
    damage_header(data_dir, make_record, "d5", place, content)
    store = DetectionStore.open(data_dir)
    with pytest.raises(DamagedRecord, match="header of the feature map's pages"):
        store.get_feature_map("d5")
    others = [name for name in names if name != "d5"]
    if way == "erased":
        assert [each.detection_id for each in await store.delete(["d5"])] == ["d5"]
    elif way == "set aside":
        assert await store.set_aside("d5", "pages", 1) is True
    else:
        assert await store.put(own_record(make_record, "d5")) is False
        others = names
    for number in range(40):  # which take the freed pages again
        await store.put(own_record(make_record, f"new{number}"))
    damaged: dict[str, str] = {}
    found = [each.metadata.detection_id for each in store.iterate_records(damaged.__setitem__)]
    assert damaged == {}
    assert found == sorted([*others, *(f"new{number}" for number in range(40))])
    store.close()


async def test_sound_pages_are_left_alone(
    data_dir: Path, make_record: MakeRecord, caplog: pytest.LogCaptureFixture
) -> None:
    store = DetectionStore.open(data_dir)
    for crop_bytes in (0, 1, 2000, 2026, 2030, 4080, 4081, 100_000):  # in the tree, on one page, on several
        for _ in range(2):
            await store.put(make_record(f"d{crop_bytes}", crop_bytes))
    assert len(list(store.iterate_records())) == 8
    await store.delete(["d0", "d2026", "d4080"])
    assert len(list(store.iterate_records())) == 5
    assert caplog.records == []
    store.close()


async def test_pages_that_lmdb_cannot_read_are_that_record_s_damage(data_dir: Path, make_record: MakeRecord) -> None:
    names = await fill(data_dir, make_record, 40)
    damage_header(data_dir, make_record, "d5", 10, struct.pack("<H", 2))  # flags of a page of the tree
    store = DetectionStore.open(data_dir)
    damaged: dict[str, str] = {}
    found = [each.metadata.detection_id for each in store.iterate_records(damaged.__setitem__)]
    assert found == sorted(name for name in names if name != "d5")
    assert list(damaged) == ["d5"]
    assert "MDB_CORRUPTED" in damaged["d5"]
    with pytest.raises(DamagedRecord, match="pages cannot be read"):
        store.get_record("d5")
    assert store.get_crop("d6") == make_record("d6").crop
    store.close()
