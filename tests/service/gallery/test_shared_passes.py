"""Which searches share a pass, by hand."""

import numpy as np

from service.gallery.shared_passes import share_passes
from service.records import CandidateFilter

ALL = CandidateFilter()
OF_ONE, OF_OTHER = (CandidateFilter(camera_ids=frozenset({camera})) for camera in ("c1", "c2"))
SLOTS = np.arange(100)
NOBODY: list[int] = []


def numbers_and_sizes(*arguments: object) -> list[tuple[list[int], int]]:
    return [(shared.numbers, len(shared.slots)) for shared in share_passes(*arguments)]  # type: ignore[arg-type]


def test_one_search_has_its_own_candidates() -> None:
    (shared,) = share_passes([OF_ONE], [SLOTS[::3]], [[1, 2]])
    np.testing.assert_array_equal(shared.slots, SLOTS[::3])


def test_searches_that_want_nearly_the_same_share_a_pass() -> None:
    but_one = np.delete(SLOTS, 7)
    (shared,) = share_passes([ALL, OF_ONE], [SLOTS[:-1], but_one], [NOBODY, NOBODY])
    np.testing.assert_array_equal(shared.slots, SLOTS)


def test_searches_that_have_little_in_common_do_not() -> None:
    wanted = [OF_ONE, OF_OTHER, OF_ONE]
    slots = [SLOTS[::2], SLOTS[1::2], np.delete(SLOTS[::2], 3)]
    assert numbers_and_sizes(wanted, slots, [NOBODY] * 3) == [([0, 2], 50), ([1], 50)]


def test_who_is_remembered_or_near_two_queries_costs_nothing_more() -> None:
    """Three rows for 100 where two and one for 70 would do: 300 of 210. A person near both: 300 of 280."""
    slots = [SLOTS[:70], SLOTS[30:]]
    assert len(share_passes([OF_ONE, OF_OTHER], slots, [[5], NOBODY])) == 2
    assert len(share_passes([OF_ONE, OF_OTHER], slots, [[5], [5]])) == 1


def test_nobody_wants_anybody() -> None:
    assert numbers_and_sizes([ALL, OF_ONE], [SLOTS[:0], SLOTS[:0]], [NOBODY, [3]]) == [([0, 1], 0)]
