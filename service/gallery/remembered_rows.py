"""Scores of recent nearby persons against the gallery, kept so that the next search near the same place and time need
not compute them again.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.gallery.capacity import CapacityError
from service.gallery.device_gallery import DeviceGallery
from service.observability.metrics import Metrics
from service.out_of_memory import attempt, is_out_of_memory

# Rows that are scored in one call. A pair of 64 queries costs what one of 16 does (benchmarks/results), so more would
# be no faster, and fresh scores are there twice.
_ROWS_TOGETHER = 64

# Computes logits of some rows, numbers into those asked for, against the detections in some ascending slots.
ScoreRows = Callable[[Sequence[int], npt.NDArray[np.int64]], Tensor]


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known of some rows.

    Attributes:
        columns: ascending slots of candidates, int64 [n].
        places: where each row stands among those that are remembered; None for those that are not.
        logits: float32 [r, n].
        is_exact: which of them are exact, bool [r, n]; None where all scores of the gallery are.
    """

    columns: npt.NDArray[np.int64]
    places: list[int | None]
    logits: Tensor
    is_exact: Tensor | None


class RememberedRows:
    """A row of logits for each person that was nearby lately, with a column for each slot of the gallery.

    What is not known is not a number: nobody asked for it yet, or the detection in that slot has changed. So a row is
    extended by what arrived since, and nothing of a detection is left here once it is erased or replaced. For the
    device thread alone. A process has one model, and nothing here outlives the process.

    Args:
        gallery: whose changes are followed.
        budget_bytes: what the rows may take, all together; for less than one row, nothing is remembered.
        metrics: where rows, bytes and look-ups are reported.

    Raises:
        CapacityError: the device has too little memory.
    """

    def __init__(self, gallery: DeviceGallery, budget_bytes: int, metrics: Metrics | None = None) -> None:
        columns = gallery.table.capacity
        row_bytes = columns * torch.float32.itemsize
        if gallery.coarse is not None:
            row_bytes += columns * torch.bool.itemsize
        count = min(budget_bytes // row_bytes, columns)
        self._logits = _allocate(count, columns, torch.float32, gallery.device)
        self._is_exact = None if gallery.coarse is None else _allocate(count, columns, torch.bool, gallery.device)
        self._free = list(range(count))
        self._place_of: OrderedDict[int, int] = OrderedDict()  # of a person's slot; the least recently used first
        metrics = metrics or Metrics()
        self._hits = metrics.counter(
            "qaconv_remembered_row_hits_total", "Nearby persons of whom scores were remembered."
        )
        self._misses = metrics.counter(
            "qaconv_remembered_row_misses_total", "Nearby persons of whom none were remembered."
        )
        metrics.watch(
            "qaconv_remembered_rows", "Nearby persons whose scores are remembered.", lambda: len(self._place_of)
        )
        metrics.watch(
            "qaconv_remembered_rows_bytes",
            "Memory of the scores that are remembered.",
            lambda: len(self._place_of) * row_bytes,
        )
        gallery.follow_changes(self._forget)

    def score(
        self, queries: int, persons: Sequence[int], columns: npt.NDArray[np.int64], score_rows: ScoreRows
    ) -> Recalled:
        """Logits of queries, then of nearby persons: those that are remembered, and the others by `score_rows`.

        They are those that `score_rows` gives for everything, to the last bit where a pair's score does not depend on
        what else is scored in the same call (see the tests), else within the scorer's own tolerance; and the exact ones
        where `learn` was told of them.

        Args:
            queries: how many; their scores are not remembered.
            persons: slots of nearby persons, each once.
            columns: ascending slots of candidates.
            score_rows: called for rows of which little is known, and for those of which some is lacking, 64 at a time.
        """
        places: list[int | None] = [None] * queries
        if len(columns) > 0:
            places += self._take_places(persons)
        else:
            places += [None] * len(persons)
        recalled = self._recall(places, columns)
        logits = recalled.logits
        # A sum is not a number where one of its terms is not: most rows are told to be whole at little cost.
        new, old = [], []
        is_lacked = torch.zeros(len(columns), dtype=torch.bool, device=logits.device)
        for row in torch.nonzero(logits.sum(dim=1).isnan()).flatten().tolist():
            is_missing = logits[row].isnan()
            # Rows that lack different columns all get each of these: one that lacks most would cost the others much.
            if 2 * int(is_missing.sum()) > len(columns):
                new.append(row)
            else:
                old.append(row)
                is_lacked |= is_missing
        if new:
            self._compute(recalled, new, np.arange(len(columns)), score_rows)
        if old:
            self._compute(recalled, old, np.flatnonzero(is_lacked.cpu().numpy()), score_rows)
        return recalled

    def knows(self, person: int) -> bool:
        """Whether there is a row of the person in a slot; some of it may be lacking."""
        return person in self._place_of

    def learn(self, person: int, slots: npt.NDArray[np.int64], exact: Tensor) -> None:
        """Remembers exact logits [n] of the person in a slot against the detections in some others."""
        place = self._place_of.get(person)
        if place is not None and self._is_exact is not None:
            self._logits[place, self._index(slots)] = exact
            self._is_exact[place, self._index(slots)] = True

    def _recall(self, places: list[int | None], columns: npt.NDArray[np.int64]) -> Recalled:
        """What is known, else not a number. Read row by row: a copy of all would be as large as what is returned."""
        shape = len(places), len(columns)
        logits = torch.full(shape, torch.nan, device=self._logits.device)
        is_exact = None if self._is_exact is None else torch.zeros(shape, dtype=torch.bool, device=logits.device)
        known = {row: place for row, place in enumerate(places) if place is not None}
        if known:
            chosen = self._choose(columns)
            for row, place in known.items():
                logits[row] = self._logits[place][chosen]
                if is_exact is not None and self._is_exact is not None:
                    is_exact[row] = self._is_exact[place][chosen]
        return Recalled(columns, places, logits, is_exact)

    def _choose(self, columns: npt.NDArray[np.int64]) -> slice | Tensor:
        """What a row is indexed with: where the columns are one stretch, nothing is copied twice."""
        first, last = int(columns[0]), int(columns[-1]) + 1
        return slice(first, last) if len(columns) == last - first else self._index(columns)

    def _compute(
        self,
        recalled: Recalled,
        rows: list[int],
        numbers: npt.NDArray[np.int64],
        score_rows: ScoreRows,
    ) -> None:
        """Scores some rows against the columns of some numbers, and remembers what has a place."""
        at, slots = self._index(numbers), recalled.columns[numbers]
        known = self._index(slots)
        for start in range(0, len(rows), _ROWS_TOGETHER):
            some = rows[start : start + _ROWS_TOGETHER]
            for row, fresh in zip(some, score_rows(some, slots), strict=True):
                recalled.logits[row, at] = fresh
                if recalled.is_exact is not None:
                    recalled.is_exact[row, at] = False
                if (place := recalled.places[row]) is not None:
                    self._logits[place, known] = fresh
                    if self._is_exact is not None:
                        self._is_exact[place, known] = False

    def _take_places(self, persons: Sequence[int]) -> list[int | None]:
        """Where the row of each person stands; the least recently used ones give way, but none of these persons'."""
        for slot in persons:
            if slot in self._place_of:
                self._place_of.move_to_end(slot)
                self._hits.inc()
        places: list[int | None] = []
        for slot in persons:
            place = self._place_of.get(slot)
            if place is None:
                self._misses.inc()
                place = self._allot(slot, persons)
            places.append(place)
        return places

    def _allot(self, slot: int, persons: Sequence[int]) -> int | None:
        if self._free:
            place = self._free.pop()
        else:
            oldest = next(iter(self._place_of), None)
            if oldest is None or oldest in persons:
                return None
            place = self._place_of.pop(oldest)
        self._logits[place] = torch.nan
        if self._is_exact is not None:
            self._is_exact[place] = False
        self._place_of[slot] = place
        return place

    def _forget(self, slots: Sequence[int]) -> None:
        """Wipes the rows of the detections in some slots, and all scores against them."""
        for slot in slots:
            if (place := self._place_of.pop(slot, None)) is not None:
                self._logits[place] = torch.nan
                self._free.append(place)
        if self._place_of:
            at = self._index(list(self._place_of.values()))[:, None], self._index(slots)
            self._logits[at] = torch.nan
            if self._is_exact is not None:
                self._is_exact[at] = False

    def _index(self, numbers: Sequence[int] | npt.NDArray[np.int64]) -> Tensor:
        return torch.as_tensor(numbers, dtype=torch.int64, device=self._logits.device)


def _allocate(rows: int, columns: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """On a CPU memory is taken when a row is first written to, on a GPU now."""
    memory = attempt(lambda: torch.empty(rows, columns, dtype=dtype, device=device))
    if not isinstance(memory, Exception):
        return memory
    if not is_out_of_memory(memory):
        raise memory
    raise CapacityError(
        f"{rows * columns * dtype.itemsize:,} bytes for scores of nearby persons do not fit into the memory of "
        f"{device}: set QACONV_REMEMBERED_ROWS_BYTES lower, 0 for none, or QACONV_GALLERY_CAPACITY"
    )
