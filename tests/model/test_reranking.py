"""k-reciprocal re-ranking against numbers worked out by hand and against slow loops."""

import math

import numpy as np
import pytest
import torch

from model import reranking
from model.reranking import RerankingParameters, encode_neighbours, rerank, rerank_rows
from reference.reranking import rerank as rerank_slowly


def draw_distances(size: int, seed: int, people: int = 12) -> torch.Tensor:
    """Euclidean distances of points around a few centres, rounded so that some are equal."""
    random = np.random.default_rng(seed)
    points = random.standard_normal((people, 4))[random.integers(people, size=size)] + 0.4 * random.standard_normal(
        (size, 4)
    )
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    return torch.from_numpy(np.round(distances * 16) / 16).float()


def test_two_pairs_worked_out_by_hand() -> None:
    # Crops 0 and 1 are each other's nearest, and 2 and 3. With k1 = 1 the encodings of a pair have both its crops.
    distances = torch.tensor([[0, 1, 4, 4], [1, 0, 4, 4], [4, 4, 0, 2], [4, 4, 2, 0]]).float()
    found = rerank(distances, RerankingParameters(k1=1, k2=1, distance_weight=0.3))
    # Of crop 0: weights exp(0) and exp(−1/4), of crop 1 the other way round; both sum to 1 after division.
    smaller, larger = math.exp(-1 / 4) / (1 + math.exp(-1 / 4)), 1 / (1 + math.exp(-1 / 4))
    assert float(found[0, 1]) == pytest.approx(0.7 * (1 - smaller / larger) + 0.3 * 1 / 4, abs=1e-6)
    assert float(found[0, 2]) == pytest.approx(1.0)  # nothing shared, and the row's largest distance
    assert found.diagonal().tolist() == [0, 0, 0, 0]


def test_one_sided_neighbours_are_none() -> None:
    # On a line at 0, 1, 3: crop 2's nearest is 1, whose nearest is 0.
    distances = torch.tensor([[0, 1, 3], [1, 0, 2], [3, 2, 0]]).float()
    encoding = encode_neighbours(distances, RerankingParameters(k1=1, k2=1))
    assert encoding.rows.starts.tolist() == [0, 2, 4, 5]
    assert encoding.rows.columns.tolist() == [0, 1, 0, 1, 2]


def test_local_query_expansion_is_the_mean_of_the_nearest() -> None:
    distances = torch.tensor([[0, 1, 3], [1, 0, 2], [3, 2, 0]]).float()
    plain = encode_neighbours(distances, RerankingParameters(k1=1, k2=1)).rows
    averaged = encode_neighbours(distances, RerankingParameters(k1=1, k2=2)).rows
    # Crop 2 and its nearest, crop 1.
    assert averaged.columns[averaged.starts[2] :].tolist() == [0, 1, 2]
    assert averaged.weights[averaged.starts[2] :].tolist() == pytest.approx(
        [float(plain.weights[2]) / 2, float(plain.weights[3]) / 2, 0.5]
    )


@pytest.mark.parametrize(
    ("size", "k1", "k2", "distance_weight"),
    [(1, 20, 6, 0.3), (2, 20, 6, 0.3), (15, 20, 6, 0.3), (60, 20, 6, 0.3), (90, 7, 3, 0.0), (90, 10, 1, 0.5)],
)
def test_distances_equal_slow_loops(size: int, k1: int, k2: int, distance_weight: float) -> None:
    distances = draw_distances(size, seed=size) + (1 - torch.eye(size)) / 16
    if size == 1:
        distances += 1
    found = rerank(distances, RerankingParameters(k1, k2, distance_weight))
    expected = rerank_slowly(distances.tolist(), k1, k2, distance_weight)
    # float32 against float64: some hundred weights of at most 1 are added.
    torch.testing.assert_close(found, torch.tensor(expected), atol=2e-6, rtol=0)


def test_one_sided_distances_equal_slow_loops() -> None:
    distances = draw_distances(50, 3) + draw_distances(50, 4) * torch.rand(50, 50, generator=torch.Generator())
    distances.fill_diagonal_(0)
    found = rerank(distances, RerankingParameters(8, 4, 0.3))
    torch.testing.assert_close(found, torch.tensor(rerank_slowly(distances.tolist(), 8, 4, 0.3)), atol=2e-6, rtol=0)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    distances = draw_distances(70, 1)
    whole = rerank(distances, RerankingParameters())
    monkeypatch.setattr(reranking, "_NUMBERS_PER_BLOCK", 7 * 70)
    assert torch.equal(rerank(distances, RerankingParameters()), whole)


def test_some_rows_are_those_of_the_whole() -> None:
    distances, parameters = draw_distances(70, 2), RerankingParameters()
    rows = torch.tensor([64, 3, 3])
    some = rerank_rows(distances[rows], rows, encode_neighbours(distances, parameters), parameters)
    assert torch.equal(some, rerank(distances, parameters)[rows])


def test_the_matrix_may_be_overwritten() -> None:
    distances = draw_distances(70, 5)
    expected = rerank(distances, RerankingParameters())
    assert rerank(distances, RerankingParameters(), output=distances) is distances
    assert torch.equal(distances, expected)


def test_distances_stay_in_range_and_nobody_is_closer_to_a_crop_than_itself() -> None:
    distances = draw_distances(200, 8, people=10)
    found = rerank(distances, RerankingParameters())
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1 + 1e-6
    assert torch.equal(found.argmin(dim=1), torch.arange(200))


@pytest.mark.parametrize("own", [0.0, 1.0, 3.0])
def test_many_equal_distances_leave_everybody_their_own_neighbour(own: float) -> None:
    distances = torch.zeros(40, 40).fill_diagonal_(own)
    encoding = encode_neighbours(distances, RerankingParameters(k1=5, k2=1))
    owners = torch.repeat_interleave(torch.arange(40), encoding.rows.starts.diff())
    assert set(owners[owners == encoding.rows.columns].tolist()) == set(range(40))
    assert bool(torch.isfinite(rerank(distances, RerankingParameters(k1=5))).all())


@pytest.mark.parametrize("wrong", [-1.0, math.nan])
def test_what_is_no_distance_is_refused(wrong: float) -> None:
    distances = draw_distances(10, 1)
    distances[2, 3] = wrong
    with pytest.raises(ValueError, match="must be numbers and not negative"):
        rerank(distances, RerankingParameters())


def test_a_matrix_that_is_not_square_is_refused() -> None:
    with pytest.raises(ValueError, match="all pairs"):
        rerank(torch.zeros(3, 5), RerankingParameters())


@pytest.mark.parametrize("wrong", [{"k1": 0}, {"k2": 0}, {"distance_weight": 1.5}, {"distance_weight": math.nan}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        RerankingParameters(**wrong)  # type: ignore[arg-type]
