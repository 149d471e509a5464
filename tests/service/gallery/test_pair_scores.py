"""Logits that are coarse until they have to be exact: what is settled, what cannot be, and what is remembered of it."""

import numpy as np
import pytest
import torch

from service.gallery.device_gallery import DeviceGallery
from service.gallery.pair_scores import PairScores
from service.gallery.remembered_rows import RememberedRows
from service.inference.feature_extraction import FeatureMap
from tests.service.gallery.gallery_records import build_coarse_gallery, build_gallery, draw_maps, put, record

SIZE = 20
ALL = np.arange(SIZE)
COLUMNS = torch.arange(SIZE)
# A query, and the persons in two slots.
ROWS, PERSONS = [0, 1, 2], [4, 11]


class Sides:
    """A gallery of exact scores, and one of coarse ones whose exact maps are read from what is stored."""

    def __init__(self) -> None:
        maps = draw_maps(SIZE)
        records = [record(f"d{number:02}", each) for number, each in enumerate(maps)]
        self.stored: dict[str, FeatureMap] = {each.metadata.detection_id: each.feature_map for each in records}
        self.exact = build_gallery(SIZE, torch.float16)
        self.coarse = build_coarse_gallery(SIZE, read=self.stored.get)
        put(self.exact, records)
        put(self.coarse, records)
        self.remembered = RememberedRows(self.coarse, 10 * 5 * SIZE)

    def pairs(self, gallery: DeviceGallery) -> PairScores:
        remembered = self.remembered if gallery is self.coarse else RememberedRows(gallery, 0)
        query = gallery.position_major(draw_maps(1, seed=9)[0])
        return PairScores(gallery, remembered, [query], PERSONS, ALL)


@pytest.fixture
def sides() -> Sides:
    return Sides()


def marked(*places: tuple[int, int]) -> torch.Tensor:
    """Of all rows and columns."""
    wanted = torch.zeros(len(ROWS), SIZE, dtype=torch.bool)
    for place in places:
        wanted[place] = True
    return wanted


def test_bounds_hold_the_exact_scores_and_close_on_those_that_are_settled(sides: Sides) -> None:
    exact, pairs = sides.pairs(sides.exact).logits, sides.pairs(sides.coarse)
    lower, upper = pairs.bounds(ROWS, COLUMNS)
    assert ((lower <= exact) & (exact <= upper) & (lower < upper)).all()
    wanted = marked((0, 3), (1, 0), (1, 19), (2, 3))

    assert pairs.settle(ROWS, COLUMNS, wanted) == 4
    assert pairs.settle(ROWS, COLUMNS, wanted) == 0

    lower, upper = pairs.bounds(ROWS, COLUMNS)
    assert torch.equal(lower == upper, wanted)
    assert torch.equal(pairs.logits[wanted], exact[wanted])
    # Rows and columns in another order and fewer: those that are asked for.
    some = torch.tensor([19, 0, 3])
    lower, upper = pairs.bounds([2, 1], some)
    assert torch.equal(lower == upper, wanted[[2, 1]][:, some])
    assert pairs.settle([2, 1], some, torch.tensor([[False, True, True], [True, True, False]])) == 1
    assert pairs.logits[2, 0] == exact[2, 0]


def test_where_all_scores_are_exact_nothing_is_settled(sides: Sides) -> None:
    pairs = sides.pairs(sides.exact)
    assert pairs.are_exact
    assert not sides.pairs(sides.coarse).are_exact
    assert pairs.settle(ROWS, COLUMNS, marked((0, 3))) == 0
    lower, upper = pairs.bounds(ROWS, COLUMNS)
    assert torch.equal(lower, pairs.logits)
    assert torch.equal(upper, pairs.logits)


def test_a_person_whose_map_is_gone_has_no_score_and_no_candidate_is_blamed(sides: Sides) -> None:
    exact = sides.pairs(sides.exact).logits
    del sides.stored["d11"]
    pairs = sides.pairs(sides.coarse)
    assert pairs.settle(ROWS, COLUMNS, marked((0, 3), (1, 3), (2, 3))) == 3
    assert pairs.unreadable == {11}
    # Neither has it as a person nor as a candidate, settled or not.
    is_gone = torch.zeros(len(ROWS), SIZE, dtype=torch.bool)
    is_gone[2] = is_gone[:, 11] = True
    assert torch.equal(pairs.logits.isneginf(), is_gone)
    assert torch.equal(pairs.logits[:2, 3], exact[:2, 3])
    # It is known for good: nothing is read again.
    assert pairs.settle(ROWS, COLUMNS, is_gone) == 0


def test_a_slot_that_cannot_be_read_takes_nobody_with_it(sides: Sides) -> None:
    exact = sides.pairs(sides.exact).logits
    for each in ("d03", "d17"):
        del sides.stored[each]
    pairs = sides.pairs(sides.coarse)
    # Of the second nobody asks.
    assert pairs.settle(ROWS, COLUMNS, marked((0, 2), (0, 3), (1, 4))) == 3
    assert pairs.unreadable == {3}
    assert torch.equal(pairs.logits.isneginf(), marked(*((row, 3) for row in ROWS)))
    assert pairs.logits[0, 2] == exact[0, 2]
    assert pairs.logits[1, 4] == exact[1, 4]


def test_what_could_not_be_read_is_not_remembered(sides: Sides) -> None:
    exact = sides.pairs(sides.exact).logits
    kept = sides.stored.pop("d03")
    sides.pairs(sides.coarse).settle(ROWS, COLUMNS, marked((1, 2), (1, 3)))
    sides.stored["d03"] = kept
    again = sides.pairs(sides.coarse)
    assert not again.logits.isneginf().any()
    lower, upper = again.bounds(ROWS, COLUMNS)
    assert torch.equal(lower == upper, marked((1, 2)))
    assert again.settle(ROWS, COLUMNS, marked((1, 2), (1, 3))) == 1
    assert again.logits[1, 3] == exact[1, 3]
