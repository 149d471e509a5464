"""The gallery's feature maps in the device's memory, and what is asked of them: scores, coarse or exact."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.gallery_scoring import GalleryScorer
from service.gallery.coarse_maps import CoarseMaps, CoarseQueries
from service.gallery.map_blocks import MapBlocks
from service.gallery.slot_table import SlotTable
from service.gallery.stored_maps import StoredMaps, position_major_maps
from service.out_of_memory import in_halves
from service.records import DetectionRecord

# Maps read from the disk at once: 24 MiB of the paper's.
_READ_TOGETHER = 512


@dataclass(frozen=True, slots=True)
class Queries:
    """Who is scored, one row each: maps [hw, d], then detections in some slots; with int8, all of them rounded."""

    maps: list[Tensor]
    persons: list[int]
    coarse: CoarseQueries | None

    def __len__(self) -> int:
        return len(self.maps) + len(self.persons)


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
        maps = position_major_maps([record.feature_map for record in records], self.exact.dtype, self.device)
        rounded = None if self.coarse is None else self.coarse.round(maps)
        # From here on nothing needs memory: where the device had too little, all is as it was.
        for slot, map_ in zip(slots, maps, strict=True):
            self.exact.write(slot, map_)
        if self.coarse is not None and rounded is not None:
            self.coarse.write(slots, rounded)
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
        return position_major_maps([feature_map], self.exact.dtype, self.device)[0]

    def prepare(self, maps: Sequence[Tensor], persons: Sequence[int]) -> Queries:
        """Those who are scored: maps [hw, d] as `position_major` gives them, then detections in some slots."""
        if self.coarse is None:
            return Queries(list(maps), list(persons), None)
        coarse = self.coarse.queries_at(persons)
        if maps:
            coarse = self.coarse.round_queries(torch.stack(list(maps))).followed_by(coarse)
        return Queries(list(maps), list(persons), coarse)

    def score(self, queries: Queries, slots: npt.NDArray[np.int64], rows: Sequence[int] | None = None) -> Tensor:
        """Logits float32 [q, len(slots)] of the first pass, by int8 where there are such maps.

        Where memory does not suffice for all queries at once, they are scored in halves, and halves of those.

        Args:
            queries: who is scored.
            slots: of the detections that are compared with, ascending.
            rows: of the queries that are meant, q of them; None for all.
        """
        rows = range(len(queries)) if rows is None else rows
        if self.coarse is not None and queries.coarse is not None:
            return self.coarse.score(queries.coarse.some(rows), slots)
        assert isinstance(self.exact, MapBlocks)
        maps = torch.stack([map_ for row in rows if (map_ := self._exact_map(queries, row)) is not None])
        return self.exact.score(partial(self._score_maps, maps), len(rows), slots)

    def bound_errors(self, queries: Queries, slots: npt.NDArray[np.int64], rows: Sequence[int]) -> Tensor:
        """The most by which `score` and exact scoring differ, float32 [q, len(slots)]; arguments as `score` has."""
        assert self.coarse is not None
        assert queries.coarse is not None
        return self.coarse.bound_errors(queries.coarse.error_factors[list(rows)], slots)

    def score_exactly(
        self, queries: Queries, rows: npt.NDArray[np.int64], slots: npt.NDArray[np.int64]
    ) -> tuple[Tensor, set[int]]:
        """Exact logits of some pairs, float32 [p].

        Args:
            queries: who is scored.
            rows: int64 [p], of them.
            slots: int64 [p], of the detections, ascending for each row.

        Returns:
            The logits; −∞ where one of both is not on the disk any more, or cannot be read. The slots of these.
        """
        maps = {row: self._exact_map(queries, row) for row in np.unique(rows).tolist()}
        logits = torch.full((len(rows),), -torch.inf, device=self.device)
        if isinstance(self.exact, MapBlocks):
            for row, query in maps.items():
                assert query is not None
                chosen = np.flatnonzero(rows == row)
                score = partial(self._score_maps, query[None])
                logits[self._index(chosen)] = self.exact.score(score, 1, slots[chosen])[0]
            return logits, set()
        unreadable = {queries.persons[row - len(queries.maps)] for row, query in maps.items() if query is None}
        # What is read is read once for all queries, some at a time.
        by_slot = np.argsort(slots, kind="stable")
        needed, firsts = np.unique(slots[by_slot], return_index=True)
        for start in range(0, len(needed), _READ_TOGETHER):
            end = firsts[start + _READ_TOGETHER] if start + _READ_TOGETHER < len(needed) else len(slots)
            pairs = by_slot[firsts[start] : end]
            unreadable |= self._score_what_is_read(maps, rows[pairs], slots[pairs], self._index(pairs), logits)
        return logits, unreadable

    def _score_what_is_read(
        self,
        maps: Mapping[int, Tensor | None],
        rows: npt.NDArray[np.int64],
        slots: npt.NDArray[np.int64],
        places: Tensor,
        logits: Tensor,
    ) -> set[int]:
        """Reads the maps in ascending slots and writes pairs' logits to their places; returns slots without a map."""
        together = np.unique(slots)
        found = self.exact.at(together.tolist())
        is_there = np.array([map_ is not None for map_ in found])
        there = together[is_there]
        if len(there) == 0:
            return set(together.tolist())
        read = torch.stack([map_ for map_ in found if map_ is not None])
        is_readable = np.isin(slots, there)
        for row, query in maps.items():
            chosen = np.flatnonzero((rows == row) & is_readable)
            if query is not None and len(chosen):
                numbers = self._index(np.searchsorted(there, slots[chosen]))
                logits[places[self._index(chosen)]] = self._score_maps(query[None], read, rows=numbers)[0]
        return set(together[~is_there].tolist())

    def _exact_map(self, queries: Queries, row: int) -> Tensor | None:
        if row < len(queries.maps):
            return queries.maps[row]
        return self.exact.at([queries.persons[row - len(queries.maps)]])[0]

    def _score_maps(self, queries: Tensor, maps: Tensor, _: slice | None = None, rows: Tensor | None = None) -> Tensor:
        return in_halves(partial(self._scorer.score, gallery_maps=maps, rows=rows), queries)

    def _index(self, numbers: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(numbers).to(self.device)

    def _announce(self, detection_ids: Iterable[str]) -> None:
        if slots := self.table.filled_slots(detection_ids):
            for listener in self._listeners:
                listener(slots)
