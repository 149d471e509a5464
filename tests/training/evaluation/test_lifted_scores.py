from math import exp

import numpy as np
import pytest
import torch

from model.retrieval_metrics import retrieval_metrics
from model.temporal_lifting import LiftingParameters
from reference.temporal_lifting import Seen, lift
from tests.training.evaluation.made_searches import all_pairs, searches_for
from training.evaluation.lifted_scores import LiftingPlan, find_nearby, lift_searches
from training.evaluation.searches import Searches, shuffle_times

ONE_PIVOT = LiftingPlan(LiftingParameters(num_pivots=1))


def test_lifting_of_one_query_worked_out_by_hand() -> None:
    # Query 0 and its companion 1 in camera 0; in camera 1 crop 2 is near the pivot in time, crop 3 is not.
    searches = searches_for([0, 1, 1, 0], [0, 0, 1, 1], [0.0, 5.0, 60.0, 260.0], queries=[0])
    scores = all_pairs([[9, -9, 0, 0], [-9, 9, 4, -4], [0, 4, 9, 0], [0, -4, 0, 9]])
    lifted = lift_searches(scores, searches, searches.other_cameras(), ONE_PIVOT)[0]
    assert lifted[:2].tolist() == [float("-inf")] * 2
    # The best of |R| x |G| pairs in camera 1 is crop 2, retrieved by crop 1.
    assert float(lifted[2]) == pytest.approx((1 + 0.1) * 0.5)
    assert float(lifted[3]) == pytest.approx((exp(-4) + 0.1) * 0.5)


def test_people_of_another_time_are_not_nearby() -> None:
    searches = searches_for([0, 1, 1, 0], [0, 0, 1, 1], [0.0, 150.0, 60.0, 260.0], queries=[0])
    scores = all_pairs([[9, -9, 0, 1], [-9, 9, 4, -4], [0, 4, 9, 0], [1, -4, 0, 9]])
    lifted = lift_searches(scores, searches, searches.other_cameras(), ONE_PIVOT)[0]
    # The query alone retrieves crop 3, which is its own pivot.
    assert float(lifted[2]) == pytest.approx((exp(-4) + 0.1) * 0.5)


def test_nearby_people_are_of_the_gallery_or_of_the_queries() -> None:
    # Queries 0 and 1 are no gallery crops; 2 and 3 are, all in one camera within 100 s.
    seconds = [10.0, 40.0, 0.0, 90.0, 500.0]
    searches = searches_for([0, 1, 2, 3, 4], [0] * 5, seconds, queries=[0, 1], gallery=[2, 3, 4])
    assert find_nearby(0, searches, LiftingPlan(LiftingParameters(), "gallery")).tolist() == [2, 3]
    assert find_nearby(0, searches, LiftingPlan(LiftingParameters(), "queries")).tolist() == [1]


def test_at_most_64_of_the_gallery_are_near_the_closest_first() -> None:
    searches = searches_for([0] * 90, [0] * 90, [number / 2 for number in range(90)], queries=[0])
    assert find_nearby(0, searches, ONE_PIVOT).tolist() == list(range(1, 65))
    queries = searches_for([0] * 90, [0] * 90, [number / 2 for number in range(90)], queries=list(range(90)))
    assert len(find_nearby(0, queries, LiftingPlan(LiftingParameters(), "queries"))) == 89


@pytest.mark.parametrize("nearby_from", ["gallery", "queries"])
def test_searches_equal_slow_loops(nearby_from: str) -> None:
    random = np.random.default_rng(4)
    number, queries = 80, list(range(12))
    searches = searches_for(
        random.integers(0, 15, number).tolist(),
        random.integers(0, 3, number).tolist(),
        np.round(random.uniform(0, 900, number), 3).tolist(),
        queries,
        gallery=list(range(12, number)),
    )
    scores = all_pairs(np.round(random.normal(-2, 3, (number, number)) * 4) / 4)
    plan = LiftingPlan(LiftingParameters(100, 80, 7, 0.2), nearby_from)  # type: ignore[arg-type]
    for candidates in (searches.all_cameras(), searches.other_cameras()):
        lifted = lift_searches(scores, searches, candidates, plan)
        for query in queries:
            assert lifted[query].tolist() == pytest.approx(
                lift_slowly(query, scores.values, searches, candidates, plan)
            )


def lift_slowly(
    query: int, logits: torch.Tensor, searches: Searches, candidates: torch.Tensor, plan: LiftingPlan
) -> list[float]:
    cameras, seconds = searches.labels.cameras.tolist(), searches.seconds.tolist()  # type: ignore[union-attr]
    known = (searches.gallery if plan.nearby_from == "gallery" else searches.queries).tolist()
    searched = [query] + [
        other
        for other in known
        if other != query and cameras[other] == cameras[query] and abs(seconds[other] - seconds[query]) < 100
    ]
    chosen = [place for place in range(len(searches.gallery)) if candidates[query, place]]
    numbers = [int(searches.gallery[place]) for place in chosen]
    gallery = [Seen(f"{number:04}", cameras[number], seconds[number]) for number in numbers]
    retrieval = [[float(logits[one, number]) for number in numbers] for one in searched]
    appearance = [1 / (1 + np.exp(-value)) for value in retrieval[0]]
    expected = [float("-inf")] * len(searches.gallery)
    for place, score in zip(chosen, lift(appearance, retrieval, gallery, 7, 80, 0.2).scores, strict=True):
        expected[place] = score
    return expected


def test_shuffled_times_take_the_gain_of_lifting_away() -> None:
    # Fifty groups of three walk past camera 0 and then camera 1, two crops each; appearance tells people apart badly.
    random = torch.Generator().manual_seed(5)
    persons = torch.arange(150).repeat_interleave(2).repeat(2)
    cameras = torch.arange(2).repeat_interleave(300)
    seconds = 120.0 * (persons // 3) + 60.0 * cameras + 5 * torch.rand(600, generator=random)
    is_same = persons[:, None] == persons[None, :]
    logits = -4 + 2.5 * is_same + 1.5 * torch.randn(600, 600, generator=random)
    searches = searches_for(persons.tolist(), cameras.tolist(), seconds.tolist(), queries=list(range(0, 300, 2)))
    plan = LiftingPlan(LiftingParameters(num_pivots=10))
    candidates = searches.other_cameras()

    def measure(scores: torch.Tensor) -> float:
        labels = searches.query_labels, searches.gallery_labels
        return retrieval_metrics(scores, *labels, candidates).mean_average_precision

    scores = all_pairs(logits)
    appearance = measure(logits[searches.queries])
    lifted = measure(lift_searches(scores, searches, candidates, plan))
    shuffled = measure(lift_searches(scores, shuffle_times(searches, 1), candidates, plan))
    assert lifted > appearance + 0.1  # 0.46 and 0.27 when this was written
    assert shuffled <= appearance + 0.01
