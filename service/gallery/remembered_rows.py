"""Scores of recent nearby persons against the gallery, kept so that the next search near the same place and time need
not compute them again.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.gallery.capacity import CapacityError
from service.gallery.device_gallery import DeviceGallery
from service.observability.metrics import Metrics
from service.out_of_memory import attempt, is_out_of_memory

# Computes logits of some rows, numbers into those asked for, against the detections in some ascending slots.
ScoreRows = Callable[[Sequence[int], npt.NDArray[np.int64]], Tensor]


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
        count = min(budget_bytes // row_bytes, columns)
        self._logits = _allocate(count, columns, gallery.device)
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

    def score(self, persons: Sequence[int | None], columns: npt.NDArray[np.int64], score_rows: ScoreRows) -> Tensor:
        """Logits float32 [len(persons), len(columns)]: those that are remembered, and the others by `score_rows`.

        They are those that `score_rows` gives for everything, to the last bit where a pair's score does not depend on
        what else is scored in the same call (see the tests), else within the scorer's own tolerance.

        Args:
            persons: slots of nearby persons, each once; None for a query, whose scores are not remembered.
            columns: ascending slots of candidates.
            score_rows: called once for rows of which nothing is known, and once for those of which something is.
        """
        places = self._take_places(persons)
        logits = self._recall(places, columns)
        # A sum is not a number where one of its terms is not: most rows are told to be whole at little cost.
        rows = torch.nonzero(logits.sum(dim=1).isnan()).flatten()
        is_missing = logits[rows].isnan()
        is_new = is_missing.all(dim=1)
        if new := rows[is_new].tolist():
            logits[new] = self._compute(places, new, columns, score_rows)
        if old := rows[~is_new].tolist():
            # Rows that lack different columns all get each of these, and lack the same ones from then on.
            lacked = np.flatnonzero(is_missing[~is_new].any(dim=0).cpu().numpy())
            fresh = self._compute(places, old, columns[lacked], score_rows)
            logits[self._index(old)[:, None], self._index(lacked)] = fresh
        return logits

    def _recall(self, places: list[int | None], columns: npt.NDArray[np.int64]) -> Tensor:
        """What is known, else not a number."""
        logits = torch.full((len(places), len(columns)), torch.nan, device=self._logits.device)
        chosen = [place for place in places if place is not None]
        if chosen and len(columns) > 0:
            first, last = int(columns[0]), int(columns[-1]) + 1
            known = self._logits[:, first:last].index_select(0, self._index(chosen))
            if len(columns) < last - first:
                known = known.index_select(1, self._index(columns - first))
            logits[[row for row, place in enumerate(places) if place is not None]] = known
        return logits

    def _compute(
        self, places: list[int | None], rows: list[int], columns: npt.NDArray[np.int64], score_rows: ScoreRows
    ) -> Tensor:
        """Scores some rows against some columns, and remembers what has a place."""
        fresh = score_rows(rows, columns)
        kept = [number for number, row in enumerate(rows) if places[row] is not None]
        if kept:
            chosen = [place for row in rows if (place := places[row]) is not None]
            self._logits[self._index(chosen)[:, None], self._index(columns)] = fresh[kept]
        return fresh

    def _take_places(self, persons: Sequence[int | None]) -> list[int | None]:
        """Where the row of each person stands; the least recently used ones give way, but none of these persons'."""
        places = [None if slot is None else self._place_of.get(slot) for slot in persons]
        for slot in persons:
            if slot is not None and slot in self._place_of:
                self._place_of.move_to_end(slot)
                self._hits.inc()
        for row, slot in enumerate(persons):
            if slot is not None and places[row] is None:
                self._misses.inc()
                places[row] = self._allot(slot, persons)
        return places

    def _allot(self, slot: int, persons: Sequence[int | None]) -> int | None:
        if self._free:
            place = self._free.pop()
        else:
            oldest = next(iter(self._place_of), None)
            if oldest is None or oldest in persons:
                return None
            place = self._place_of.pop(oldest)
        self._logits[place] = torch.nan
        self._place_of[slot] = place
        return place

    def _forget(self, slots: Sequence[int]) -> None:
        """Wipes the rows of the detections in some slots, and all scores against them."""
        for slot in slots:
            if (place := self._place_of.pop(slot, None)) is not None:
                self._logits[place] = torch.nan
                self._free.append(place)
        if self._place_of:
            rows = self._index(list(self._place_of.values()))
            self._logits[rows[:, None], self._index(slots)] = torch.nan

    def _index(self, numbers: Sequence[int] | npt.NDArray[np.int64]) -> Tensor:
        return torch.as_tensor(numbers, dtype=torch.int64, device=self._logits.device)


def _allocate(rows: int, columns: int, device: torch.device) -> Tensor:
    """On a CPU memory is taken when a row is first written to, on a GPU now."""
    logits = attempt(lambda: torch.empty(rows, columns, device=device))
    if not isinstance(logits, Exception):
        return logits
    if not is_out_of_memory(logits):
        raise logits
    raise CapacityError(
        f"{rows * columns * torch.float32.itemsize:,} bytes for scores of nearby persons do not fit into the memory of "
        f"{device}: set QACONV_REMEMBERED_ROWS_BYTES lower, 0 for none, or QACONV_GALLERY_CAPACITY"
    )
