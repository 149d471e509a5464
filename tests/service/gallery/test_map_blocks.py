"""Maps by slot: where one block ends and the next begins."""

import numpy as np
import pytest
import torch
from torch import Tensor

from service.gallery import map_blocks
from service.gallery.gallery_memory import GalleryMemory
from service.gallery.map_blocks import MapBlocks
from tests.service.gallery.gallery_records import CPU

CAPACITY = 10


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> MapBlocks:
    """Blocks of four slots, of which the last has two too many; a map is the number of its slot, from 1."""
    monkeypatch.setitem(map_blocks._BLOCK_SLOTS, "cpu", 4)
    maps = MapBlocks(GalleryMemory(CAPACITY, 12, CPU), 3, 2, torch.float16)
    for slot in range(CAPACITY):
        maps.write(slot, torch.full((3, 2), slot + 1.0))
    return maps


def numbers(maps: list[Tensor]) -> list[float]:
    assert all(each.shape == (3, 2) and len(each.unique()) == 1 for each in maps)
    return [float(each[0, 0]) for each in maps]


def test_the_last_slot_of_a_block_and_the_first_of_the_next_are_two(blocks: MapBlocks) -> None:
    blocks.wipe(3)
    blocks.write(8, torch.full((3, 2), 99.0))
    assert numbers(blocks.at(range(CAPACITY))) == [1, 2, 3, 0, 5, 6, 7, 8, 99, 10]


def test_a_copy_does_not_change_with_its_slot(blocks: MapBlocks) -> None:
    copied = blocks.copy_of([9, 3, 4])
    for slot in (9, 3, 4):
        blocks.wipe(slot)
    assert numbers(list(copied)) == [10, 4, 5]
    assert blocks.copy_of([]).shape == (0, 3, 2)


@pytest.mark.parametrize("slots", [[3], [3, 4], [0, 1, 2, 3], [1, 3, 4, 9], [8, 9], list(range(CAPACITY)), []])
def test_each_block_is_scored_where_its_slots_lie_and_others_not_at_all(blocks: MapBlocks, slots: list[int]) -> None:
    touched = []

    def score(maps: Tensor, stretch: slice, rows: Tensor | None) -> Tensor:
        touched.append(stretch.start // 4)
        # What is told of the stretch is true: scales are looked up by it.
        assert numbers(list(maps)) == [slot + 1 for slot in range(stretch.start, stretch.stop)]
        chosen = maps if rows is None else maps[rows]
        return torch.stack([chosen[:, 0, 0], -chosen[:, 0, 0]]).float()

    scores = blocks.score(score, 2, np.array(slots, dtype=np.int64))

    assert scores.tolist() == [[slot + 1 for slot in slots], [-slot - 1 for slot in slots]]
    assert touched == sorted({slot // 4 for slot in slots})
