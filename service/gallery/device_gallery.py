"""The gallery's feature maps in the device's memory, in preallocated blocks whose slots are reused."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.gallery_scoring import GalleryScorer
from service.gallery.capacity import CapacityError
from service.gallery.slot_table import SlotTable
from service.out_of_memory import attempt, in_halves, is_out_of_memory
from service.records import DetectionRecord

_BLOCK_SLOTS = 4096


class DeviceGallery:
    """Maps [hw, d] by slot. All methods run on the device thread; reservations are the table's.

    Args:
        table: which detection is in which slot.
        locations: hw.
        channels: d.
        dtype: format in which maps are stored.
        device: where they lie.

    Raises:
        CapacityError: the device has too little memory; says how many detections it has memory for.
    """

    def __init__(
        self, table: SlotTable, locations: int, channels: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.table = table
        self.device = device
        self.dtype = dtype
        self._listeners: list[Callable[[Sequence[int]], None]] = []
        self._block_slots = min(_BLOCK_SLOTS, table.capacity)
        shape = (self._block_slots, locations, channels)
        count = -(-table.capacity // self._block_slots)
        # All at once: a device with too little memory shows it at the start, not when a detection is on disk already.
        self._blocks: list[Tensor] = []
        for _ in range(count):
            block = attempt(lambda: torch.empty(shape, dtype=dtype, device=device))
            if isinstance(block, Exception):
                raise self._too_small(block)
            self._blocks.append(block)

    def follow_changes(self, listener: Callable[[Sequence[int]], None]) -> None:
        """Has a listener told the slots of detections that are about to be replaced or removed."""
        self._listeners.append(listener)

    def put(self, records: list[DetectionRecord]) -> list[None]:
        """Writes detections into their reserved slots, over what was there."""
        self._announce(record.metadata.detection_id for record in records)
        for record in records:
            slot = self.table.reserved_slot(record.metadata.detection_id)
            block, row = divmod(slot, self._block_slots)
            self._blocks[block][row] = self.position_major(record.feature_map)
            # Last: where the device has no memory for the map, nothing is scored against what lies in its place.
            self.table.fill(record.metadata)
        return [None] * len(records)

    def remove(self, detection_ids: list[str]) -> list[None]:
        """Wipes the maps of detections and frees their slots; those that have none are passed over."""
        self._announce(detection_ids)
        for detection_id in detection_ids:
            for slot in self.table.filled_slots([detection_id]):
                block, row = divmod(slot, self._block_slots)
                self._blocks[block][row].zero_()
            self.table.free(detection_id)
        return [None] * len(detection_ids)

    def position_major(self, feature_map: npt.NDArray[np.float16]) -> Tensor:
        """A stored map, float16 [d, h, w], as it lies in the gallery: [hw, d] in the gallery's format."""
        flat = torch.from_numpy(np.array(feature_map).reshape(len(feature_map), -1))
        return flat.to(self.device).T.to(self.dtype)

    def maps_at(self, slots: Sequence[int]) -> list[Tensor]:
        """The maps [hw, d] in some slots."""
        return [self._blocks[slot // self._block_slots][slot % self._block_slots] for slot in slots]

    def score(self, scorer: GalleryScorer, queries: Tensor, slots: npt.NDArray[np.int64]) -> Tensor:
        """Logits float32 [q, len(slots)] of queries [q, hw, d] against the detections in ascending slots.

        Where memory does not suffice for all queries at once, they are scored in halves, and halves of those.
        """
        scores = torch.empty(len(queries), len(slots), device=self.device)
        for number, block in enumerate(self._blocks):
            first, last = np.searchsorted(slots, (number * self._block_slots, (number + 1) * self._block_slots))
            if first < last:
                rows = slots[first:last] - number * self._block_slots
                scores[:, first:last] = in_halves(partial(_score_rows, scorer, block, rows), queries)
        return scores

    def _announce(self, detection_ids: Iterable[str]) -> None:
        if slots := self.table.filled_slots(detection_ids):
            for listener in self._listeners:
                listener(slots)

    def _too_small(self, error: Exception) -> Exception:
        if not is_out_of_memory(error):
            return error
        fit, capacity = len(self._blocks) * self._block_slots, self.table.capacity
        self._blocks.clear()
        return CapacityError(
            f"gallery_capacity {capacity} does not fit into the memory of {self.device}, which took {fit} detections. "
            f"Searches need memory too: set QACONV_GALLERY_CAPACITY to {max(1, fit // 2)} or a little more"
        )


def _score_rows(scorer: GalleryScorer, block: Tensor, rows: npt.NDArray[np.int64], queries: Tensor) -> Tensor:
    """Scores some rows of a block: where they lie close together the whole stretch, else a copy of them alone."""
    first, last = int(rows[0]), int(rows[-1]) + 1
    if last - first == len(rows):
        return scorer.score(queries, block[first:last])
    chosen = torch.from_numpy(rows).to(block.device)
    if len(rows) > (last - first) // 2:
        return scorer.score(queries, block[first:last])[:, chosen - first]
    return scorer.score(queries, block[chosen])
