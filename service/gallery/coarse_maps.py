"""The gallery as int8, for a first pass that is half as large and several times as fast as one in floating point, and
how far its scores are from exact ones at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.gallery_scoring.int8_error import NUM_FACTORS, bound_errors, measure_error_factors
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher, Int8Scorer
from service.gallery.map_blocks import MapBlocks
from service.out_of_memory import in_halves

# What a map needs besides its values: a scale, and the factors of its error, as a query and in the gallery.
BYTES_BESIDE_VALUES = (1 + 2 * NUM_FACTORS) * torch.float32.itemsize


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
        capacity: slots.
        channels: d.
        matcher: of the model, on the device.
        scorer: of int8 maps.

    Raises:
        CapacityError: the device has too little memory.
    """

    def __init__(self, capacity: int, channels: int, matcher: FoldedMatcher, scorer: Int8Scorer) -> None:
        device = matcher.head.query_weights.device
        locations = matcher.map_height * matcher.map_width
        self._matcher = matcher
        self._scorer = scorer
        self._values = MapBlocks(capacity, locations, channels, torch.int8, device)
        self._scales = torch.ones(capacity, device=device)
        self._as_query, self._as_gallery = torch.zeros(2, capacity, NUM_FACTORS, device=device)

    def write(self, slots: Sequence[int], maps: Tensor) -> None:
        """Puts maps [n, hw, d] of any floating dtype into slots, over what was there."""
        rounded = quantise(maps)
        factors = measure_error_factors(maps, rounded, self._matcher)
        for slot, values in zip(slots, rounded.values, strict=True):
            self._values.write(slot, values)
        self._scales[list(slots)] = rounded.scales
        self._as_query[list(slots)] = factors.as_query
        self._as_gallery[list(slots)] = factors.as_gallery

    def wipe(self, slot: int) -> None:
        """Leaves nothing of what was in a slot."""
        self._values.wipe(slot)
        self._scales[slot] = 1
        self._as_query[slot] = self._as_gallery[slot] = 0

    def round_queries(self, maps: Tensor) -> CoarseQueries:
        """Maps [q, hw, d] that are not stored."""
        rounded = quantise(maps)
        return CoarseQueries(rounded, measure_error_factors(maps, rounded, self._matcher).as_query)

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

    def bound_errors(self, queries: CoarseQueries, slots: npt.NDArray[np.int64]) -> Tensor:
        """The most by which `score` and exact scoring differ, float32 [q, len(slots)]."""
        return bound_errors(queries.error_factors, self._as_gallery[torch.from_numpy(slots).to(self._scales.device)])
