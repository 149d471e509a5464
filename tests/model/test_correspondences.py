"""Correspondences against slow loops and numbers worked out by hand."""

import pytest
import torch

from model.correspondences import Cell, Correspondence, list_correspondences
from model.query_adaptive_convolution import BestPartners, global_max_pooling, match_maps
from reference.correspondences import find_pairs
from reference.crowd_maps import draw_independent
from reference.query_adaptive_convolution import similarities


def one_pair(kernel_size: int, height: int = 6, width: int = 4) -> tuple[BestPartners, list[list[float]]]:
    query, gallery = draw_independent(2, height, width, channels=8, seed=7).split(1)
    batched = match_maps(query, gallery, kernel_size)
    table = similarities(query[0].double().numpy(), gallery[0].double().numpy(), kernel_size)
    return BestPartners(*(values[0, 0] for values in batched)), table


def places(pair: Correspondence) -> tuple[tuple[int, int], tuple[int, int], str]:
    return (pair.query.row, pair.query.column), (pair.gallery.row, pair.gallery.column), pair.direction


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(6, 4), (3, 5)])
def test_correspondences_equal_slow_loops(kernel_size: int, height: int, width: int) -> None:
    partners, table = one_pair(kernel_size, height, width)

    found = list_correspondences(partners, width, kernel_size, max_count=1000, min_similarity=-1.0)

    expected = find_pairs(table, width, kernel_size)
    assert [places(pair) for pair in found] == [(pair.query, pair.gallery, pair.direction) for pair in expected]
    # float32 sums of d·s² products of numbers below 1.
    assert [pair.similarity for pair in found] == pytest.approx([pair.similarity for pair in expected], abs=1e-6)


def test_every_location_of_both_maps_has_its_partner_and_no_pair_is_there_twice() -> None:
    partners, _ = one_pair(kernel_size=1)
    found = list_correspondences(partners, 4, 1, max_count=1000, min_similarity=-1.0)
    pairs = [(pair.query, pair.gallery) for pair in found]
    assert len(pairs) == len(set(pairs))
    assert len({query for query, _ in pairs}) == len({gallery for _, gallery in pairs}) == 24
    assert len(pairs) == 48 - sum(pair.direction == "mutual" for pair in found)


def test_a_table_worked_by_hand() -> None:
    # Rows are the query's locations. The best of rows 0 and 1 is column 1; of column 0 it is row 1, of column 1 row 0.
    partners = global_max_pooling(torch.tensor([[0.25, 0.75], [0.375, 0.5]]))
    assert list_correspondences(partners, 2, 1, max_count=10, min_similarity=0.0) == [
        Correspondence("mutual", 0.75, Cell(0, 0), Cell(0, 1)),
        Correspondence("query_to_gallery", 0.5, Cell(0, 1), Cell(0, 1)),
        Correspondence("gallery_to_query", 0.375, Cell(0, 1), Cell(0, 0)),
    ]


def test_equal_similarities_are_ordered_by_location() -> None:
    partners = global_max_pooling(torch.full((4, 4), 0.5))
    found = list_correspondences(partners, 2, 1, max_count=10, min_similarity=0.0)
    in_order = sorted(
        found, key=lambda pair: (pair.query.row, pair.query.column, pair.gallery.row, pair.gallery.column)
    )
    assert found == in_order
    assert found[0].direction == "mutual"


def test_limits() -> None:
    partners, _ = one_pair(kernel_size=1)
    everything = list_correspondences(partners, 4, 1, max_count=1000, min_similarity=-1.0)
    assert list_correspondences(partners, 4, 1, max_count=0, min_similarity=-1.0) == []
    assert list_correspondences(partners, 4, 1, max_count=5, min_similarity=-1.0) == everything[:5]
    threshold = everything[7].similarity
    assert list_correspondences(partners, 4, 1, max_count=1000, min_similarity=threshold) == everything[:8]
    assert list_correspondences(partners, 4, 1, max_count=1000, min_similarity=1.1) == []


def test_the_similarity_of_patches_is_a_mean_cosine() -> None:
    same = draw_independent(1, 5, 3, channels=8, seed=1)
    partners = BestPartners(*(values[0, 0] for values in match_maps(same, same, 3)))
    found = list_correspondences(partners, 3, 3, max_count=100, min_similarity=-1.0)
    best = {pair.query: pair for pair in found if pair.direction == "mutual"}
    # A patch with itself: nine cosines of 1 inside; at a corner five of the nine places are padding and count 0.
    assert best[Cell(2, 1)].similarity == pytest.approx(1.0, abs=1e-6)
    assert best[Cell(0, 0)].similarity == pytest.approx(4 / 9, abs=1e-6)


def test_reduced_precision_maxima_are_accepted() -> None:
    partners = global_max_pooling(torch.tensor([[0.25, 0.75], [0.5, 0.125]], dtype=torch.bfloat16))
    assert [pair.similarity for pair in list_correspondences(partners, 2, 1, 10, 0.0)] == [0.75, 0.5]


@pytest.mark.parametrize(("computed", "expected"), [(1.0002, 1.0), (-1.0002, -1.0)])
def test_rounding_does_not_lead_out_of_the_range_of_cosines(computed: float, expected: float) -> None:
    partners = global_max_pooling(torch.tensor([[computed]]))
    (found,) = list_correspondences(partners, 1, 1, max_count=10, min_similarity=expected)
    assert found.similarity == expected
