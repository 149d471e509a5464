"""Feature maps by slot, in preallocated blocks whose slots are reused."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.gallery.gallery_memory import GalleryMemory

# A GPU reads a block in one launch: there a block is worth its launch, and a gallery of a million has few.
_BLOCK_SLOTS = {"cpu": 4096, "cuda": 65_536}

# Computes logits [q, g] of some queries against maps [n, hw, d], all of them or those in some rows; the maps lie in a
# stretch of slots.
ScoreMaps = Callable[[Tensor, slice, Tensor | None], Tensor]


class MapBlocks:
    """Maps [hw, d] of one number format, by slot.

    Args:
        memory: that they lie in.
        locations: hw.
        channels: d.
        dtype: of the maps.

    Raises:
        CapacityError: the device has too little memory.
    """

    def __init__(self, memory: GalleryMemory, locations: int, channels: int, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.device = memory.device
        self._block_slots = min(_BLOCK_SLOTS[memory.device.type], memory.capacity)
        shape = (self._block_slots, locations, channels)
        self._blocks = [memory.take(shape, dtype) for _ in range(-(-memory.capacity // self._block_slots))]

    def write(self, slot: int, map_: Tensor) -> None:
        """Puts a map into a slot, over what was there."""
        block, row = divmod(slot, self._block_slots)
        self._blocks[block][row] = map_

    def wipe(self, slot: int) -> None:
        """Leaves nothing of what was in a slot."""
        block, row = divmod(slot, self._block_slots)
        self._blocks[block][row].zero_()

    def at(self, slots: Sequence[int]) -> list[Tensor]:
        """The maps [hw, d] in some slots, as they lie."""
        return [self._blocks[slot // self._block_slots][slot % self._block_slots] for slot in slots]

    def copy_of(self, slots: Sequence[int]) -> Tensor:
        """The maps [n, hw, d] in some slots, none included."""
        if not slots:
            return self._blocks[0][:0]
        return torch.stack(self.at(slots))

    def score(self, score_maps: ScoreMaps, queries: int, slots: npt.NDArray[np.int64]) -> Tensor:
        """Logits float32 [queries, len(slots)] against the maps in ascending slots."""
        scores = torch.empty(queries, len(slots), device=self.device)
        for number, block in enumerate(self._blocks):
            start = number * self._block_slots
            first, last = np.searchsorted(slots, (start, start + self._block_slots))
            if first < last:
                scores[:, first:last] = _score_rows(score_maps, block, slots[first:last] - start, start)
        return scores


def _score_rows(score_maps: ScoreMaps, block: Tensor, rows: npt.NDArray[np.int64], start: int) -> Tensor:
    """Scores some rows of a block where they lie: as one stretch where they are one."""
    first, last = int(rows[0]), int(rows[-1]) + 1
    stretch = slice(start + first, start + last)
    if last - first == len(rows):
        return score_maps(block[first:last], stretch, None)
    return score_maps(block[first:last], stretch, torch.from_numpy(rows - first).to(block.device))
