import json

import pytest
import torch

from tests.training.evaluation.made_searches import all_pairs, searches_for
from training.evaluation.impostor_thresholds import impostor_thresholds
from training.evaluation.score_distribution import NUM_BINS, score_distribution


def test_thresholds_worked_out_by_hand() -> None:
    # 1, 2, … 100 thousand hundred-thousandths: 1 % of them reach 0.99001.
    probabilities = torch.arange(1, 100_001, dtype=torch.float64) / 100_000
    found = impostor_thresholds(probabilities)
    assert found.num_pairs == 100_000
    assert [threshold.false_match_rate for threshold in found.thresholds] == [1e-2, 1e-3, 1e-4, 1e-5]
    assert [threshold.appearance_score for threshold in found.thresholds] == [0.99001, 0.99901, None, None]
    for threshold in found.thresholds[:2]:
        share = float((probabilities >= threshold.appearance_score).double().mean())
        assert share == pytest.approx(threshold.false_match_rate)


def test_too_few_pairs_give_no_threshold() -> None:
    few, enough = impostor_thresholds(torch.zeros(2999)), impostor_thresholds(torch.zeros(3000))
    assert few.thresholds[0].appearance_score is None
    assert enough.thresholds[0].appearance_score == 0.0


def test_pairs_are_sorted_into_one_person_and_two() -> None:
    # Crop 0 is searched for: 1 is the same person elsewhere, 2 in the same camera, 3 another, 4 junk.
    searches = searches_for([0, 0, 0, 1, -1], [0, 1, 0, 1, 1], [0.0] * 5, queries=[0])
    scores = all_pairs([[9, 2.1, 7, -3, 8]] * 5)
    found = score_distribution(scores, searches)
    assert found.spread.same_person == pytest.approx((0.8909, 0.8909, 0.8909), abs=1e-4)
    assert found.spread.different_person == pytest.approx((0.04743, 0.04743, 0.04743), abs=1e-4)
    assert found.impostors.num_pairs == 1
    assert len(found.histogram.same_person) == NUM_BINS
    assert sum(found.histogram.same_person) == sum(found.histogram.different_person) == 1
    assert found.histogram.same_person.index(1) == int((2.1 + 12) * 4)
    assert json.dumps(found.histogram.same_person)


def test_extreme_scores_are_in_the_outer_bins() -> None:
    searches = searches_for([0, 0, 1], [0, 1, 1], [0.0] * 3, queries=[0])
    found = score_distribution(all_pairs([[0, 800, -800]] * 3), searches)
    assert found.histogram.same_person[-1] == 1
    assert found.histogram.different_person[0] == 1


def test_pairs_of_one_kind_alone_are_refused() -> None:
    searches = searches_for([0, 1, 2], [0, 1, 1], [0.0] * 3, queries=[0])
    with pytest.raises(ValueError, match="0 pairs of one person in two cameras and 2"):
        score_distribution(all_pairs(torch.zeros(3, 3)), searches)
