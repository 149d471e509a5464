"""Logits of everybody who is scored against everybody who is compared with, coarse until they have to be exact."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.gallery.device_gallery import DeviceGallery
from service.gallery.remembered_rows import RememberedRows


class PairScores:
    """Scores of queries, then of their nearby persons, against the detections in some slots.

    Args:
        gallery: that scores.
        remembered: scores of nearby persons.
        maps: of the queries, [hw, d] as the gallery's `position_major` gives them.
        persons: slots of the nearby persons.
        slots: of the detections, ascending.

    Attributes:
        logits: float32 [r, n].
        unreadable: slots of detections whose exact maps could not be read; the logits of their pairs are −∞.
    """

    def __init__(
        self,
        gallery: DeviceGallery,
        remembered: RememberedRows,
        maps: Sequence[Tensor],
        persons: Sequence[int],
        slots: npt.NDArray[np.int64],
    ) -> None:
        self._gallery = gallery
        self._remembered = remembered
        self._persons = list(persons)
        self._num_queries = len(maps)
        self._slots = slots
        self._queries = gallery.prepare(maps, persons)
        recalled = remembered.score(
            len(maps), self._persons, slots, lambda rows, some: gallery.score(self._queries, some, rows)
        )
        self.logits = recalled.logits
        self._is_exact = recalled.is_exact
        self.unreadable: set[int] = set()

    @property
    def are_exact(self) -> bool:
        """Whether all scores are exact from the start."""
        return self._is_exact is None or self.logits.numel() == 0

    def bounds(self, rows: Sequence[int], columns: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the most that the exact logits [len(rows), len(columns)] can be."""
        at = self._at(rows, columns)
        logits = self.logits[at]
        if self._is_exact is None:
            return logits, logits
        errors = self._gallery.bound_errors(self._queries, self._slots[columns.cpu().numpy()], rows)
        errors.masked_fill_(self._is_exact[at], 0)
        return logits - errors, logits + errors

    def settle(self, rows: Sequence[int], columns: Tensor, is_wanted: Tensor) -> int:
        """Makes some scores exact: those marked in [len(rows), len(columns)] that are not yet. Returns how many."""
        if self._is_exact is None:
            return 0
        places = torch.nonzero(is_wanted & ~self._is_exact[self._at(rows, columns)])
        if len(places) == 0:
            return 0
        rows_due = torch.tensor(rows, device=columns.device)[places[:, 0]]
        columns_due = columns[places[:, 1]]
        slots_due = self._slots[columns_due.cpu().numpy()]
        exact, unreadable = self._gallery.score_exactly(self._queries, rows_due.cpu().numpy(), slots_due)
        self.logits[rows_due, columns_due] = exact
        self._is_exact[rows_due, columns_due] = True
        self._give_up(unreadable - self.unreadable)
        self._learn(rows_due.cpu().numpy(), slots_due, exact, ~exact.isneginf().cpu().numpy())
        return len(places)

    def _give_up(self, unreadable: set[int]) -> None:
        """No pair of a detection that cannot be read has a score."""
        if not unreadable or self._is_exact is None:
            return
        self.unreadable |= unreadable
        gone = list(unreadable)
        columns = torch.from_numpy(np.flatnonzero(np.isin(self._slots, gone))).to(self.logits.device)
        rows = [self._num_queries + number for number, slot in enumerate(self._persons) if slot in unreadable]
        for place in ((slice(None), columns), (rows,)):
            self.logits[place] = -torch.inf
            self._is_exact[place] = True

    def _learn(
        self, rows: npt.NDArray[np.int64], slots: npt.NDArray[np.int64], exact: Tensor, is_there: npt.NDArray[np.bool_]
    ) -> None:
        for row in np.unique(rows[rows >= self._num_queries]):
            chosen = np.flatnonzero((rows == row) & is_there)
            person = self._persons[row - self._num_queries]
            self._remembered.learn(person, slots[chosen], exact[torch.from_numpy(chosen).to(exact.device)])

    def _at(self, rows: Sequence[int], columns: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tensor(rows, device=columns.device)[:, None], columns
