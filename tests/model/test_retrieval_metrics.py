import numpy as np
import pytest
import torch

from model.retrieval_metrics import (
    JUNK_PERSON,
    CropLabels,
    average_precision,
    inverse_negative_penalty,
    matching_curve,
    measure_queries,
    retrieval_metrics,
)
from reference.retrieval_metrics import Crop, measure


def labels(persons: list[int], cameras: list[int]) -> CropLabels:
    return CropLabels(torch.tensor(persons), torch.tensor(cameras))


def test_average_precision_of_a_ranking_worked_out_by_hand() -> None:
    # Right at ranks 1, 3 and 4: (1/1 + 2/3 + 3/4) / 3.
    ranked = torch.tensor([True, False, True, True, False])
    assert average_precision(ranked) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_inverse_negative_penalty_of_a_ranking_worked_out_by_hand() -> None:
    # The last of 3 right crops is at rank 4; one at rank 5 is wrong and costs nothing.
    assert inverse_negative_penalty(torch.tensor([True, False, True, True, False])) == 3 / 4
    assert inverse_negative_penalty(torch.tensor([True, True])) == 1
    assert inverse_negative_penalty(torch.tensor([False, False, True])) == pytest.approx(1 / 3)


def test_two_queries_worked_out_by_hand() -> None:
    gallery = labels([1, 2, 1, 2, 3], [0, 0, 1, 1, 1])
    queries = labels([1, 2], [2, 2])
    scores = torch.tensor([[0.9, 0.8, 0.1, 0.7, 0.2], [0.9, 0.5, 0.4, 0.3, 0.8]])
    # Query 1 finds its person at ranks 1 and 5, query 2 at ranks 3 and 5.
    metrics = retrieval_metrics(scores, queries, gallery)
    assert metrics.rank1 == 0.5
    assert metrics.rank5 == metrics.rank10 == metrics.rank20 == 1.0
    assert metrics.num_queries == 2
    assert metrics.mean_average_precision == pytest.approx(((1 + 2 / 5) / 2 + (1 / 3 + 2 / 5) / 2) / 2)
    assert metrics.mean_inverse_negative_penalty == pytest.approx((2 / 5 + 2 / 5) / 2)


def test_the_matching_curve_worked_out_by_hand() -> None:
    gallery = labels([1, 2, 1, 2, 3], [0, 0, 1, 1, 1])
    scores = torch.tensor([[0.9, 0.8, 0.1, 0.7, 0.2], [0.9, 0.5, 0.4, 0.3, 0.8]])
    outcomes = measure_queries(scores, labels([1, 2], [2, 2]), gallery)
    assert matching_curve(outcomes, 4).tolist() == [0.5, 0.5, 1.0, 1.0]


def test_the_same_person_in_the_same_camera_counts_neither_way() -> None:
    gallery = labels([1, 2, 1], [0, 1, 1])
    scores = torch.tensor([[0.9, 0.8, 0.7]])
    metrics = retrieval_metrics(scores, labels([1], [0]), gallery)
    # Without the first crop, person 2 comes first and person 1 second.
    assert metrics.rank1 == 0.0
    assert metrics.mean_average_precision == 0.5


def test_junk_counts_neither_way_and_a_distractor_is_wrong() -> None:
    distractor = 77
    scores = torch.tensor([[0.9, 0.8, 0.7]])
    with_junk = retrieval_metrics(scores, labels([1], [0]), labels([JUNK_PERSON, JUNK_PERSON, 1], [1, 1, 1]))
    assert (with_junk.rank1, with_junk.mean_average_precision) == (1.0, 1.0)
    with_distractor = retrieval_metrics(scores, labels([1], [0]), labels([JUNK_PERSON, distractor, 1], [1, 1, 1]))
    assert (with_distractor.rank1, with_distractor.mean_average_precision) == (0.0, 0.5)


def test_only_candidates_are_ranked() -> None:
    gallery = labels([2, 1, 1], [1, 1, 2])
    scores = torch.tensor([[0.9, 0.8, 0.7]])
    metrics = retrieval_metrics(scores, labels([1], [0]), gallery, torch.tensor([[False, False, True]]))
    assert metrics.mean_average_precision == 1.0


def test_queries_without_a_right_crop_are_left_out() -> None:
    gallery = labels([1, 2], [0, 0])
    metrics = retrieval_metrics(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), labels([1, 9], [1, 1]), gallery)
    assert metrics.num_queries == 1
    assert metrics.rank1 == 1.0
    with pytest.raises(ValueError, match="none of the 1 queries"):
        retrieval_metrics(torch.tensor([[1.0, 0.0]]), labels([1], [0]), gallery)


def test_equal_scores_rank_in_gallery_order() -> None:
    gallery = labels([2, 1], [0, 0])
    metrics = retrieval_metrics(torch.tensor([[0.5, 0.5]]), labels([1], [1]), gallery)
    assert metrics.rank1 == 0.0
    assert metrics.rank5 == 1.0


def test_scores_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="1 of 2 scores are not numbers"):
        retrieval_metrics(torch.tensor([[float("nan"), 1.0]]), labels([1], [1]), labels([1, 2], [0, 0]))


@pytest.mark.parametrize("seed", range(4))
def test_random_rankings_equal_slow_loops(seed: int) -> None:
    random = np.random.default_rng(seed)
    gallery = [Crop(int(person), int(camera)) for person, camera in random.integers((-1, 0), (12, 3), (150, 2))]
    queries = [Crop(int(person), int(camera)) for person, camera in random.integers((0, 0), (14, 3), (25, 2))]
    scores = np.round(random.uniform(size=(25, 150)) * 64) / 64  # ties, exact in float32
    expected = measure(scores.tolist(), queries, gallery, (1, 5, 10, 20))
    found = retrieval_metrics(
        torch.from_numpy(scores).float(),
        labels([crop.person for crop in queries], [crop.camera for crop in queries]),
        labels([crop.person for crop in gallery], [crop.camera for crop in gallery]),
    )
    assert (found.rank1, found.rank5, found.rank10, found.rank20) == pytest.approx(
        tuple(expected.found_within.values())
    )
    assert found.mean_average_precision == pytest.approx(expected.mean_average_precision, rel=1e-12)
    assert found.mean_inverse_negative_penalty == pytest.approx(expected.mean_inverse_negative_penalty, rel=1e-12)
    assert found.num_queries == expected.num_queries
