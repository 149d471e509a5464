"""Logits of everybody who is scored against everybody who is compared with, coarse until they have to be exact."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.gallery.device_gallery import DeviceGallery
from service.gallery.remembered_rows import Recalled, RememberedRows


class PairScores:
    """Scores of queries, then of their nearby persons, against the detections in some slots.

    Args:
        gallery: that scores.
        rows: where scores of nearby persons are remembered.
        maps: of the queries, [hw, d] as the gallery's `position_major` gives them.
        persons: slots of the nearby persons.
        slots: of the detections, ascending.
    """

    def __init__(
        self,
        gallery: DeviceGallery,
        rows: RememberedRows,
        maps: Sequence[Tensor],
        persons: Sequence[int],
        slots: npt.NDArray[np.int64],
    ) -> None:
        self._gallery = gallery
        self._rows = rows
        self._maps = list(maps)
        self._persons = list(persons)
        self._slots = slots
        recalled = self._score()
        self.logits = recalled.logits
        self._is_exact = recalled.is_exact
        self._error_factors: Tensor | None = None
        if gallery.coarse is not None and len(slots) > 0:
            self._error_factors = gallery.coarse.error_factors(self._maps, self._persons)

    @property
    def are_exact(self) -> bool:
        """Whether all scores are exact from the start."""
        return self._error_factors is None

    def bounds(self, rows: Sequence[int], columns: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the most that the exact logits [len(rows), len(columns)] can be."""
        logits = self.logits[list(rows)][:, columns]
        if self._error_factors is None or self._is_exact is None or self._gallery.coarse is None:
            return logits, logits
        slots = self._slots[columns.cpu().numpy()]
        errors = self._gallery.coarse.bound_errors(self._error_factors[list(rows)], slots)
        errors.masked_fill_(self._is_exact[list(rows)][:, columns], 0)
        return logits - errors, logits + errors

    def settle(self, rows: Sequence[int], columns: Tensor, is_wanted: Tensor) -> int:
        """Makes some scores exact: those marked in [len(rows), len(columns)] that are not yet. Returns how many."""
        if self._is_exact is None:
            return 0
        at = torch.tensor(rows, device=columns.device)[:, None], columns
        is_due = is_wanted & ~self._is_exact[at]
        maps, persons = self._split(rows)
        slots = self._slots[columns.cpu().numpy()]
        exact = self._gallery.score_exactly(maps, persons, slots, is_due)
        self.logits[at] = torch.where(is_due, exact, self.logits[at])
        self._is_exact[at] |= is_due
        for person, row in zip(persons, range(len(maps), len(rows)), strict=True):
            chosen = torch.nonzero(is_due[row]).flatten()
            self._rows.learn(person, slots[chosen.cpu().numpy()], exact[row, chosen])
        return int(is_due.sum())

    def _score(self) -> Recalled:
        def score_rows(rows: Sequence[int], slots: npt.NDArray[np.int64]) -> Tensor:
            return self._gallery.score(*self._split(rows), slots)

        return self._rows.score(len(self._maps), self._persons, self._slots, score_rows)

    def _split(self, rows: Sequence[int]) -> tuple[list[Tensor], list[int]]:
        """The queries' maps and the persons' slots of ascending rows."""
        queries = len(self._maps)
        maps = [self._maps[row] for row in rows if row < queries]
        return maps, [self._persons[row - queries] for row in rows if row >= queries]
