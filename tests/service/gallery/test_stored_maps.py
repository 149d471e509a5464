"""Maps that are read from the disk when a score needs them."""

import numpy as np
import torch

from model.gallery_scoring import position_major
from service.gallery.slot_table import SlotTable
from service.gallery.stored_maps import StoredMaps
from service.inference.feature_extraction import FeatureMap
from tests.service.gallery.gallery_records import CPU, draw_maps, record


def test_a_slot_s_map_is_that_of_whoever_has_it_now_as_the_disk_has_it_now() -> None:
    table = SlotTable(2)
    first, second, third = draw_maps(3)
    stored: dict[str, FeatureMap] = {"a": first, "b": second}
    maps = StoredMaps(stored.get, table.detection_ids, torch.float16, CPU)
    for each in ("a", "b"):
        table.reserve(each)
        table.fill(record(each, first).metadata)
    assert_equal(maps, [1, 0], [second, first])

    stored["a"] = third  # written, and not on the device yet
    del stored["b"]  # erased, and not from the device yet
    assert maps.at([1]) == [None]
    assert_equal(maps, [0], [third])

    table.free("b")
    stored["c"] = second
    table.reserve("c")
    table.fill(record("c", second).metadata)
    assert_equal(maps, [0, 1], [third, second])


def test_a_map_is_no_view_of_what_was_read() -> None:
    """Which may be the disk's own page, gone when its transaction ends."""
    (feature_map,) = draw_maps(1)
    page = feature_map.copy()
    page.setflags(write=False)
    (found,) = StoredMaps(lambda _: page, np.array(["a"], dtype=object), torch.float16, CPU).at([0])
    assert found is not None
    page.setflags(write=True)
    page[:] = 0
    assert torch.equal(found, position_major(torch.from_numpy(feature_map)[None])[0])
    assert found.is_contiguous()


def assert_equal(maps: StoredMaps, slots: list[int], expected: list[FeatureMap]) -> None:
    for found, wanted in zip(maps.at(slots), expected, strict=True):
        assert found is not None
        assert torch.equal(found, position_major(torch.from_numpy(wanted)[None])[0])
