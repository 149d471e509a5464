"""Rankings small enough to be compared by hand."""

import pytest
import torch

from service.records import DetectionMetadata
from service.reindex.ranking_changes import QueryChange, compare_rankings


def detection(detection_id: str, camera_id: str, person_id: str | None = None) -> DetectionMetadata:
    return DetectionMetadata(detection_id, camera_id, 0, None, person_id, 40, 80, "image/jpeg", "f" * 64, 0)


# p is seen as a by camera 1, as b and c by camera 2; q as d by camera 1, as e by camera 2.
GALLERY = [
    detection("a", "1", "p"),
    detection("b", "2", "p"),
    detection("c", "2", "p"),
    detection("d", "1", "q"),
    detection("e", "2", "q"),
]


def test_what_changes_and_how_good_it_is() -> None:
    queries = [GALLERY[0], GALLERY[3]]
    #                     a  b  c  d  e
    old = torch.tensor([[9, 4, 1, 3, 2], [1, 2, 3, 9, 4.0]])  # a: b d e c; d: e c b a
    new = torch.tensor([[9, 3, 4, 2, 1], [4, 3, 2, 9, 1.0]])  # a: c b d e; d: a b c e
    changes = compare_rankings(queries, GALLERY, old, new)
    assert changes.same_best_share == 0
    assert changes.mean_top_overlap == 1  # All four others are among the best ten.
    assert changes.mean_new_rank_of_old_best == (2 + 4) / 2
    assert changes.queries == (QueryChange("d", "e", "a", 4, 4, 1.0), QueryChange("a", "b", "c", 2, 4, 1.0))
    assert changes.old_metrics is not None
    assert changes.new_metrics is not None
    # a, old: right b at 1 and c at 4; d, old: right e at 1.
    assert changes.old_metrics.rank1 == 1
    assert changes.old_metrics.mean_average_precision == pytest.approx(((1 / 1 + 2 / 4) / 2 + 1) / 2)
    # a, new: right c at 1 and b at 2; d, new: right e at 4.
    assert changes.new_metrics.rank1 == 0.5
    assert changes.new_metrics.mean_average_precision == pytest.approx((1 + 1 / 4) / 2)
    assert changes.new_metrics.num_queries == 2


def test_overlap_counts_the_ten_best_without_the_query() -> None:
    gallery = [detection(f"d{number:02}", "1") for number in range(16)]
    old = torch.arange(16, 0, -1.0)[None]  # d00 is the query: then d01 … d10 are the best ten
    new = old.clone()
    new[0, 1] = 0.5  # d01 falls to the end, d11 takes its place
    changes = compare_rankings(gallery[:1], gallery, old, new)
    assert changes.queries == (QueryChange("d00", "d01", "d02", 15, 2, 0.9),)
    assert (changes.old_metrics, changes.new_metrics) == (None, None)


def test_equal_scores_rank_by_id_and_nothing_changes() -> None:
    logits = torch.zeros(5, 5)
    changes = compare_rankings(GALLERY, GALLERY, logits, logits)
    assert (changes.same_best_share, changes.mean_top_overlap, changes.mean_new_rank_of_old_best) == (1, 1, 1)
    assert {each.detection_id: each.old_best_id for each in changes.queries} == {
        "a": "b",
        "b": "a",
        "c": "a",
        "d": "a",
        "e": "a",
    }
