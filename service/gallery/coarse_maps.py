"""The gallery as int8, for a first pass that is half as large and several times as fast as one in floating point, and
how far its scores are from exact ones at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.gallery_scoring.int8_error import NUM_FACTORS, ErrorFactors, bound_errors, measure_error_factors
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher, Int8Scorer
from service.gallery.gallery_memory import GalleryMemory
from service.gallery.map_blocks import MapBlocks
from service.gallery.one_thread import on_one_thread
from service.out_of_memory import in_halves

# What a map needs besides its values: a scale, and the factors of its error, as a query and in the gallery.
BYTES_BESIDE_VALUES = (1 + 2 * NUM_FACTORS) * torch.float32.itemsize


# Maps rounded at once: of fewer the single operation costs more than its numbers, with maps of 128 × 128 and AVX-512.
_ROUNDED_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class RoundedMaps:
    """Maps [n, hw, d] rounded to int8, and what bounds the errors that this makes."""

    maps: Int8Maps
    factors: ErrorFactors


@dataclass(frozen=True, slots=True)
class CoarseQueries:
    """Maps [q, hw, d] that are scored, rounded to int8, and their part of the error, float32 [q, 6]."""

    maps: Int8Maps
    error_factors: Tensor

    def __len__(self) -> int:
        return len(self.maps)

    def some(self, rows: Sequence[int]) -> "CoarseQueries":
        """Those in some rows."""
        chosen = torch.tensor(rows, dtype=torch.int64, device=self.error_factors.device)
        return CoarseQueries(Int8Maps(self.maps.values[chosen], self.maps.scales[chosen]), self.error_factors[chosen])

    def followed_by(self, others: "CoarseQueries") -> "CoarseQueries":
        """These and others."""
        values = torch.cat((self.maps.values, others.maps.values))
        scales = torch.cat((self.maps.scales, others.maps.scales))
        return CoarseQueries(Int8Maps(values, scales), torch.cat((self.error_factors, others.error_factors)))


class CoarseMaps:
    """Maps by slot. For the device thread alone.

    Args:
        memory: that they lie in.
        channels: d.
        matcher: of the model, on the device.
        scorer: of int8 maps.

    Raises:
        CapacityError: the device has too little memory.
    """

    def __init__(self, memory: GalleryMemory, channels: int, matcher: FoldedMatcher, scorer: Int8Scorer) -> None:
        locations = matcher.map_height * matcher.map_width
        self._matcher = matcher
        self._scorer = scorer
        self._values = MapBlocks(memory, locations, channels, torch.int8)
        self._scales = memory.take((memory.capacity,), torch.float32).fill_(1)
        self._as_query, self._as_gallery = memory.take((2, memory.capacity, NUM_FACTORS), torch.float32).zero_()

    def round(self, maps: Tensor) -> RoundedMaps:
        """Rounds maps [n, hw, d] of any floating dtype to int8 and measures what that changes, some at a time."""
        maps_of_parts, factors_of_parts = [], []
        with on_one_thread():
            for part in maps.split(_ROUNDED_TOGETHER):
                exact = part.float()
                rounded = quantise(exact)
                maps_of_parts.append(rounded)
                factors_of_parts.append(measure_error_factors(exact, rounded, self._matcher))
        return RoundedMaps(
            Int8Maps(
                torch.cat([each.values for each in maps_of_parts]), torch.cat([each.scales for each in maps_of_parts])
            ),
            ErrorFactors(
                torch.cat([each.as_query for each in factors_of_parts]),
                torch.cat([each.as_gallery for each in factors_of_parts]),
            ),
        )

    def write(self, slots: Sequence[int], rounded: RoundedMaps) -> None:
        """Puts maps into slots, over what was there."""
        for number, slot in enumerate(slots):
            self._values.write(slot, rounded.maps.values[number])
            self._scales[slot] = rounded.maps.scales[number]
            self._as_query[slot] = rounded.factors.as_query[number]
            self._as_gallery[slot] = rounded.factors.as_gallery[number]

    def wipe(self, slot: int) -> None:
        """Leaves nothing of what was in a slot."""
        self._values.wipe(slot)
        self._scales[slot] = 1
        self._as_query[slot] = self._as_gallery[slot] = 0

    def round_queries(self, maps: Tensor) -> CoarseQueries:
        """Maps [q, hw, d] that are not stored."""
        rounded = self.round(maps)
        return CoarseQueries(rounded.maps, rounded.factors.as_query)

    def queries_at(self, slots: Sequence[int]) -> CoarseQueries:
        """The maps in some slots."""
        chosen = torch.tensor(slots, dtype=torch.int64, device=self._scales.device)
        return CoarseQueries(Int8Maps(self._values.copy_of(slots), self._scales[chosen]), self._as_query[chosen])

    def score(self, queries: CoarseQueries, slots: npt.NDArray[np.int64]) -> Tensor:
        """Logits float32 [q, len(slots)] against the detections in ascending slots.

        Where memory does not suffice for all queries at once, they are scored in halves, and halves of those.
        """

        def score_maps(values: Tensor, stretch: slice, rows: Tensor | None) -> Tensor:
            gallery = Int8Maps(values, self._scales[stretch])

            def score_some(chosen: Tensor) -> Tensor:
                return self._scorer.score_int8(queries.some(chosen.tolist()).maps, gallery, rows)

            return in_halves(score_some, torch.arange(len(queries), device=values.device))

        return self._values.score(score_maps, len(queries), slots)

    def bound_errors(self, error_factors: Tensor, slots: npt.NDArray[np.int64]) -> Tensor:
        """The most by which `score` of queries with some factors and exact scoring differ, float32 [q, len(slots)]."""
        return bound_errors(error_factors, self._as_gallery[torch.from_numpy(slots).to(self._scales.device)])
