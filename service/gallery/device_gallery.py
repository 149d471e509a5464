"""The gallery's feature maps in the device's memory, and what is asked of them: scores, coarse or exact."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.gallery_scoring import GalleryScorer
from service.gallery.coarse_maps import CoarseMaps
from service.gallery.map_blocks import MapBlocks
from service.gallery.slot_table import SlotTable
from service.gallery.stored_maps import StoredMaps, position_major_map
from service.out_of_memory import in_halves
from service.records import DetectionRecord

# Maps read from the disk at once: 24 MiB of the paper's.
_READ_TOGETHER = 512


class DeviceGallery:
    """Maps [hw, d] by slot. All methods run on the device thread; reservations are the table's.

    Args:
        table: which detection is in which slot.
        scorer: of exact scores.
        exact: maps that these are computed from, on the device or on the disk.
        coarse: the same maps in int8, for the first pass over the gallery; None where all scores are exact, from maps
            on the device.
        device: that scores.
    """

    def __init__(
        self,
        table: SlotTable,
        scorer: GalleryScorer,
        exact: MapBlocks | StoredMaps,
        coarse: CoarseMaps | None,
        device: torch.device,
    ) -> None:
        self.table = table
        self.device = device
        self.exact = exact
        self.coarse = coarse
        self._scorer = scorer
        self._listeners: list[Callable[[Sequence[int]], None]] = []

    @property
    def precision(self) -> str:
        """Number format of the first pass over the gallery: int8, or that of all."""
        return "int8" if self.coarse is not None else str(self.exact.dtype).removeprefix("torch.")

    def follow_changes(self, listener: Callable[[Sequence[int]], None]) -> None:
        """Has a listener told the slots of detections that are about to be replaced or removed."""
        self._listeners.append(listener)

    def put(self, records: list[DetectionRecord]) -> list[None]:
        """Writes detections into their reserved slots, over what was there."""
        self._announce(record.metadata.detection_id for record in records)
        slots = [self.table.reserved_slot(record.metadata.detection_id) for record in records]
        maps = [self.position_major(record.feature_map) for record in records]
        for slot, map_ in zip(slots, maps, strict=True):
            self.exact.write(slot, map_)
        if self.coarse is not None:
            self.coarse.write(slots, torch.stack(maps))
        # Last: where the device has no memory for the maps, nothing is scored against what lies in their places.
        for record in records:
            self.table.fill(record.metadata)
        return [None] * len(records)

    def remove(self, detection_ids: list[str]) -> list[None]:
        """Wipes the maps of detections and frees their slots; those that have none are passed over."""
        self._announce(detection_ids)
        for detection_id in detection_ids:
            for slot in self.table.filled_slots([detection_id]):
                self.exact.wipe(slot)
                if self.coarse is not None:
                    self.coarse.wipe(slot)
            self.table.free(detection_id)
        return [None] * len(detection_ids)

    def position_major(self, feature_map: npt.NDArray[np.float16]) -> Tensor:
        """A stored map, float16 [d, h, w], as exact scores are computed from it: [hw, d]."""
        return position_major_map(feature_map, self.exact.dtype, self.device)

    def score(self, maps: Sequence[Tensor], persons: Sequence[int], slots: npt.NDArray[np.int64]) -> Tensor:
        """Logits float32 [q, len(slots)] of the first pass, by int8 where there are such maps.

        Where memory does not suffice for all queries at once, they are scored in halves, and halves of those.

        Args:
            maps: queries, [hw, d] as `position_major` gives them; they are the first rows.
            persons: slots of queries that are stored; they are the other rows. One query at least in all.
            slots: of the detections that are compared with, ascending.
        """
        if self.coarse is not None:
            queries = self.coarse.queries_at(persons)
            if maps:
                queries = self.coarse.round_queries(torch.stack(list(maps))).followed_by(queries)
            return self.coarse.score(queries, slots)
        assert isinstance(self.exact, MapBlocks)
        rows = self.exact_maps(maps, persons)
        return self.exact.score(partial(self._score_maps, rows), len(rows), slots)

    def score_exactly(
        self, maps: Sequence[Tensor], persons: Sequence[int], slots: npt.NDArray[np.int64], is_due: Tensor
    ) -> Tensor:
        """Exact logits of some pairs of such queries and detections.

        Args:
            maps: as `score` takes them.
            persons: likewise.
            slots: likewise.
            is_due: bool [q, len(slots)], which pairs.

        Returns:
            float32 [q, len(slots)]; not a number where nothing was due.
        """
        logits = torch.full(is_due.shape, torch.nan, device=self.device)
        rows = torch.nonzero(is_due.any(dim=1)).flatten().tolist()
        if not rows:
            return logits
        queries = self.exact_maps(maps, persons)
        if isinstance(self.exact, MapBlocks):
            for row in rows:
                chosen = torch.nonzero(is_due[row]).flatten()
                score = partial(self._score_maps, queries[row : row + 1])
                logits[row, chosen] = self.exact.score(score, 1, slots[chosen.cpu().numpy()])[0]
            return logits
        # What is read is read once for all queries, some at a time.
        for part in torch.nonzero(is_due.any(dim=0)).flatten().split(_READ_TOGETHER):
            read = self.exact_maps([], slots[part.cpu().numpy()].tolist())
            for row in rows:
                chosen = torch.nonzero(is_due[row, part]).flatten()
                if len(chosen):
                    logits[row, part[chosen]] = self._score_maps(queries[row : row + 1], read, rows=chosen)[0]
        return logits

    def exact_maps(self, maps: Sequence[Tensor], slots: Sequence[int]) -> Tensor:
        """Maps of queries, then copies of those in some slots, [n, hw, d]; n ≥ 1."""
        return torch.stack([*maps, *self.exact.at(slots)])

    def score_mutually(self, maps: Tensor) -> Tensor:
        """Exact logits float32 [n, n] of maps [n, hw, d] against each other."""
        return self._score_maps(maps, maps)

    def _score_maps(self, queries: Tensor, maps: Tensor, _: slice | None = None, rows: Tensor | None = None) -> Tensor:
        return in_halves(partial(self._scorer.score, gallery_maps=maps, rows=rows), queries)

    def _announce(self, detection_ids: Iterable[str]) -> None:
        if slots := self.table.filled_slots(detection_ids):
            for listener in self._listeners:
                listener(slots)
