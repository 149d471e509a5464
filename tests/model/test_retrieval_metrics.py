import pytest
import torch

from model.retrieval_metrics import CropLabels, average_precision, retrieval_metrics


def labels(persons: list[int], cameras: list[int]) -> CropLabels:
    return CropLabels(torch.tensor(persons), torch.tensor(cameras))


def test_average_precision_of_a_ranking_worked_out_by_hand() -> None:
    # Right at ranks 1, 3 and 4: (1/1 + 2/3 + 3/4) / 3.
    ranked = torch.tensor([True, False, True, True, False])
    assert average_precision(ranked) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_two_queries_worked_out_by_hand() -> None:
    gallery = labels([1, 2, 1, 2, 3], [0, 0, 1, 1, 1])
    queries = labels([1, 2], [2, 2])
    scores = torch.tensor([[0.9, 0.8, 0.1, 0.7, 0.2], [0.9, 0.5, 0.4, 0.3, 0.8]])
    # Query 1 finds its person at ranks 1 and 5, query 2 at ranks 3 and 5.
    metrics = retrieval_metrics(scores, queries, gallery)
    assert metrics.rank1 == 0.5
    assert metrics.rank5 == 1.0
    assert metrics.num_queries == 2
    assert metrics.mean_average_precision == pytest.approx(((1 + 2 / 5) / 2 + (1 / 3 + 2 / 5) / 2) / 2)


def test_the_same_person_in_the_same_camera_counts_neither_way() -> None:
    gallery = labels([1, 2, 1], [0, 1, 1])
    scores = torch.tensor([[0.9, 0.8, 0.7]])
    metrics = retrieval_metrics(scores, labels([1], [0]), gallery)
    # Without the first crop, person 2 comes first and person 1 second.
    assert metrics.rank1 == 0.0
    assert metrics.mean_average_precision == 0.5


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
