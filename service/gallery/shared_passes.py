"""Which searches that wait at the device are scored in one pass over the gallery."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.records import CandidateFilter

# A pass shared by all searches that wait may compute so many times the pairs that they need one by one: a gallery that
# is read once for all makes up for that much.
_MOST_WASTED = 1.25


@dataclass(frozen=True, slots=True)
class SharedPass:
    """Searches, by their numbers, that are scored together, and the slots of all their candidates, int64, ascending."""

    numbers: list[int]
    slots: npt.NDArray[np.int64]


def share_passes(
    filters: Sequence[CandidateFilter], slots: Sequence[npt.NDArray[np.int64]], new_persons: Sequence[Sequence[int]]
) -> list[SharedPass]:
    """All searches share one pass, unless most of what it computes would be nobody's: then those of equal filters do.

    Args:
        filters: of each search's candidates.
        slots: of each search's candidates, ascending.
        new_persons: slots of those near each query of whom no scores are remembered.
    """
    everybody = _unite(slots)
    rows = len(slots) + len({slot for persons in new_persons for slot in persons})
    alone = sum((1 + len(persons)) * len(own) for own, persons in zip(slots, new_persons, strict=True))
    if len(slots) == 1 or rows * len(everybody) <= _MOST_WASTED * alone:
        return [SharedPass(list(range(len(slots))), everybody)]
    numbers_of: dict[CandidateFilter, list[int]] = {}
    for number, wanted in enumerate(filters):
        numbers_of.setdefault(wanted, []).append(number)
    return [SharedPass(numbers, _unite([slots[number] for number in numbers])) for numbers in numbers_of.values()]


def _unite(slots: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Ascending; by a mask, for sorting takes many times as long."""
    if len(slots) == 1:
        return slots[0]
    is_wanted = np.zeros(1 + max(int(own[-1]) if len(own) else -1 for own in slots), dtype=bool)
    for own in slots:
        is_wanted[own] = True
    return np.flatnonzero(is_wanted)
