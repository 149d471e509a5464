"""The gallery in int8: each slot's scale and error factors stay with its map."""

import numpy as np
import pytest
import torch
from torch import Tensor

from model.gallery_scoring import BlockedScorer, position_major
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from service.gallery import coarse_maps, map_blocks
from service.gallery.coarse_maps import CoarseMaps
from service.gallery.gallery_memory import GalleryMemory
from tests.service.gallery.gallery_records import (
    CHANNELS,
    CPU,
    build_coarse_gallery,
    build_matcher,
    draw_maps,
    put,
    record,
)

SCORER = BlockedScorer(build_matcher(), torch.float32)


def build(capacity: int, scorer: BlockedScorer = SCORER) -> CoarseMaps:
    return CoarseMaps(GalleryMemory(capacity, 1, CPU), CHANNELS, build_matcher(), scorer)


def draw(count: int, seed: int = 1) -> Tensor:
    """Maps whose scales and errors differ by far, so that those of another slot are not taken for theirs."""
    maps = position_major(torch.from_numpy(np.stack(draw_maps(count, seed))).float())
    return maps * torch.linspace(0.2, 3, count)[:, None, None]


@pytest.mark.parametrize("slots", [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 4], [1, 3, 4, 9], [8]])
def test_slots_on_both_sides_of_a_block_s_end_have_their_own_scales_and_errors(
    slots: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(map_blocks._BLOCK_SLOTS, "cpu", 4)
    maps, coarse = draw(10), build(10)
    coarse.write([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], coarse.round(maps.flip(0)))
    queries = coarse.round_queries(draw(3, seed=9)).followed_by(coarse.queries_at([7, 3]))
    scored = torch.cat([draw(3, seed=9), maps[[7, 3]]])

    found = coarse.score(queries, np.array(slots))

    torch.testing.assert_close(found, SCORER.score_int8(quantise(scored), quantise(maps[slots])), rtol=0, atol=1e-5)
    differences = (found - SCORER.score(scored, maps[slots])).abs()
    bounds = coarse.bound_errors(queries.error_factors, np.array(slots))
    assert (differences <= bounds).all()
    # Each map's own: what is rounded of one by itself.
    for column, slot in enumerate(slots):
        alone = build(1)
        alone.write([0], alone.round(maps[slot : slot + 1]))
        torch.testing.assert_close(alone.bound_errors(queries.error_factors, np.array([0]))[:, 0], bounds[:, column])
    some = queries.some([4, 1])
    torch.testing.assert_close(coarse.score(some, np.array(slots)), found[[4, 1]], rtol=0, atol=1e-6)
    torch.testing.assert_close(coarse.bound_errors(some.error_factors, np.array(slots)), bounds[[4, 1]])


def test_nothing_of_a_wiped_map_is_left() -> None:
    coarse = build(3)
    coarse.write([0, 1, 2], coarse.round(draw(3)))
    kept = coarse.queries_at([0, 2])
    coarse.wipe(1)
    wiped = coarse.queries_at([1])
    assert torch.count_nonzero(wiped.maps.values) == 0
    assert wiped.maps.scales.tolist() == [1]
    assert torch.count_nonzero(wiped.error_factors) == 0
    assert torch.count_nonzero(coarse._as_gallery[1]) == 0
    assert torch.equal(coarse.queries_at([0, 2]).maps.dequantise(), kept.maps.dequantise())


class CrowdedScorer(BlockedScorer):
    """Has memory for the int8 scores of few queries at once."""

    def __init__(self, most: int) -> None:
        super().__init__(build_matcher(), torch.float32)
        self._most = most
        self.tried: list[int] = []

    def score_int8(self, queries: Int8Maps, gallery: Int8Maps, rows: Tensor | None = None) -> Tensor:
        self.tried.append(len(queries))
        if len(queries) > self._most:
            raise torch.OutOfMemoryError(f"{len(queries)} queries")
        return super().score_int8(queries, gallery, rows)


def test_queries_that_do_not_fit_together_are_scored_in_halves() -> None:
    crowded = CrowdedScorer(2)
    coarse = build(6, crowded)
    coarse.write(range(6), coarse.round(draw(6)))
    found = coarse.score(coarse.round_queries(draw(5, seed=9)), np.arange(6))
    assert crowded.tried == [5, 2, 3, 1, 2]
    expected = SCORER.score_int8(quantise(draw(5, seed=9)), quantise(draw(6)))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    with pytest.raises(torch.OutOfMemoryError):
        build(6, CrowdedScorer(0)).score(coarse.round_queries(draw(2)), np.arange(6))


def test_a_replacement_that_fails_half_way_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty maps are rounded in three parts, of which the third finds no memory: the first were not written either."""
    gallery = build_coarse_gallery(30)
    assert gallery.coarse is not None
    before = [record(f"d{number:02}", each) for number, each in enumerate(draw_maps(20))]
    put(gallery, before)
    coarse, exact = gallery.coarse.queries_at(range(20)), gallery.exact.at(range(20))
    exact = [each.clone() for each in exact if each is not None]
    measure, parts = coarse_maps.measure_error_factors, []

    def measure_two(*arguments: object) -> object:
        parts.append(1)
        if len(parts) == 3:
            raise torch.OutOfMemoryError("full")
        return measure(*arguments)

    after = [record(f"d{number:02}", each) for number, each in enumerate(draw_maps(20, seed=2))]
    with monkeypatch.context() as patched:
        patched.setattr(coarse_maps, "_ROUNDED_TOGETHER", 8)
        patched.setattr(coarse_maps, "measure_error_factors", measure_two)
        with pytest.raises(torch.OutOfMemoryError):
            gallery.put(after)
    left = gallery.coarse.queries_at(range(20))
    assert torch.equal(left.maps.values, coarse.maps.values)
    assert torch.equal(left.maps.scales, coarse.maps.scales)
    assert torch.equal(left.error_factors, coarse.error_factors)
    assert all(torch.equal(one, other) for one, other in zip(gallery.exact.at(range(20)), exact, strict=True))

    put(gallery, after)
    fresh = build_coarse_gallery(30)
    put(fresh, after)
    assert fresh.coarse is not None
    expected = fresh.coarse.queries_at(range(20)).maps.dequantise()
    assert torch.equal(gallery.coarse.queries_at(range(20)).maps.dequantise(), expected)
