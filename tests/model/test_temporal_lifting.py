"""Temporal lifting against numbers worked out by hand and against slow loops."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from model import temporal_lifting
from model.temporal_lifting import Candidates, LiftedScores, LiftingParameters, Pivot, find_temporal_scores, lift_scores
from reference.temporal_lifting import Seen, lift

ONE_SIGMA_AWAY = math.exp(-1)  # 0.36788: seen σ seconds from a pivot


def lift_gallery(
    gallery: Sequence[Seen], appearance: Sequence[float], retrieval: Sequence[Sequence[float]], **parameters: float
) -> LiftedScores:
    candidates = Candidates(
        ids=[seen.id for seen in gallery],
        cameras=torch.tensor([seen.camera for seen in gallery], dtype=torch.int64),
        seconds=torch.tensor([seen.seconds for seen in gallery], dtype=torch.float64),
    )
    return lift_scores(
        torch.tensor(appearance),
        torch.tensor(retrieval).reshape(len(retrieval), len(gallery)),
        candidates,
        LiftingParameters(**parameters),  # type: ignore[arg-type]
    )


def test_nobody_nearby_but_the_query() -> None:
    gallery = [Seen("x", 1, 500.0), Seen("y", 1, 600.0)]
    lifted = lift_gallery(gallery, [0.9, 0.5], [[0.9, 0.5]], num_pivots=1)
    assert lifted.pivots == [Pivot(camera=1, candidate=0, retrieved_by=0)]
    assert lifted.temporal_scores.tolist() == pytest.approx([1.0, ONE_SIGMA_AWAY])
    # (1 + 0.1) · 0.9 and (0.36788 + 0.1) · 0.5
    assert lifted.scores.tolist() == pytest.approx([0.99, 0.233940], abs=1e-6)


def test_a_pivot_retrieved_twice_counts_twice() -> None:
    gallery = [Seen("x", 1, 0.0), Seen("y", 1, 100.0)]
    lifted = lift_gallery(gallery, [0.9, 0.2], [[0.9, 0.2], [0.8, 0.7]], num_pivots=3)
    assert lifted.pivots == [Pivot(1, 0, 0), Pivot(1, 0, 1), Pivot(1, 1, 1)]
    # x: (1 + 1 + 0.36788) / 3; y: (0.36788 + 0.36788 + 1) / 3
    assert lifted.temporal_scores.tolist() == pytest.approx([0.789293, 0.578586], abs=1e-6)


def test_fewer_than_k_are_all_pivots() -> None:
    gallery = [Seen("x", 1, 0.0), Seen("y", 1, 100.0), Seen("z", 2, 0.0)]
    lifted = lift_gallery(gallery, [0.9, 0.2, 0.4], [[0.9, 0.2, 0.4]], num_pivots=100)
    assert lifted.pivots == [Pivot(1, 0, 0), Pivot(1, 1, 0), Pivot(2, 2, 0)]
    # x and y: (1 + 0.36788) / 2; z alone in its camera: its own pivot
    assert lifted.temporal_scores.tolist() == pytest.approx([0.683940, 0.683940, 1.0], abs=1e-6)


def test_of_equal_scores_the_lower_id_is_the_pivot_wherever_it_is_stored() -> None:
    gallery = [Seen("c", 1, 0.0), Seen("a", 1, 100.0), Seen("b", 1, 200.0)]
    lifted = lift_gallery(gallery, [0.5, 0.5, 0.5], [[0.5, 0.5, 0.5]], num_pivots=1)
    assert lifted.pivots == [Pivot(1, 1, 0)]
    reversed_gallery = lift_gallery(gallery[::-1], [0.5, 0.5, 0.5], [[0.5, 0.5, 0.5]], num_pivots=1)
    assert reversed_gallery.pivots == [Pivot(1, 1, 0)]
    assert reversed_gallery.scores.tolist() == lifted.scores.tolist()[::-1]


def test_of_equal_scores_of_one_candidate_the_earlier_row_is_the_pivot() -> None:
    gallery = [Seen("a", 1, 0.0), Seen("b", 1, 100.0)]
    lifted = lift_gallery(gallery, [0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]], num_pivots=3)
    assert lifted.pivots == [Pivot(1, 0, 0), Pivot(1, 0, 1), Pivot(1, 1, 0)]


def test_a_tie_at_the_k_th_place_leaves_the_better_ones_in() -> None:
    gallery = [Seen("d", 1, 0.0), Seen("c", 1, 0.0), Seen("b", 1, 0.0), Seen("a", 1, 0.0)]
    lifted = lift_gallery(gallery, [0.5] * 4, [[0.9, 0.5, 0.5, 0.1]], num_pivots=2)
    assert lifted.pivots == [Pivot(1, 0, 0), Pivot(1, 2, 0)]


def test_cameras_do_not_lift_one_another() -> None:
    # Camera 2's only detection was seen when nobody was in camera 1: it is lifted by its own pivots all the same.
    gallery = [Seen("x", 1, 0.0), Seen("y", 1, 100.0), Seen("z", 2, 1e6)]
    lifted = lift_gallery(gallery, [0.9, 0.2, 0.1], [[0.9, 0.2, 0.1]], num_pivots=1)
    assert lifted.temporal_scores.tolist() == pytest.approx([1.0, ONE_SIGMA_AWAY, 1.0])


def test_the_query_s_own_camera_is_a_gallery_like_the_others() -> None:
    # The query was seen by camera 1 at 0 s. What camera 1 sees is lifted by the pivots found there, as in camera 2.
    in_own = [Seen("x", 1, 50.0), Seen("y", 1, 150.0)]
    in_other = [Seen("v", 2, 50.0), Seen("w", 2, 150.0)]
    scores = [0.9, 0.6, 0.9, 0.6]
    lifted = lift_gallery(in_own + in_other, scores, [scores], num_pivots=1)
    assert lifted.scores[:2].tolist() == lifted.scores[2:].tolist()
    assert lifted.temporal_scores[:2].tolist() == pytest.approx([1.0, ONE_SIGMA_AWAY])


def test_far_away_in_time_only_alpha_is_left() -> None:
    gallery = [Seen("x", 1, 0.0), Seen("y", 1, 1e9)]
    lifted = lift_gallery(gallery, [0.9, 0.5], [[0.9, 0.5]], num_pivots=1, alpha=0.2)
    assert lifted.temporal_scores.tolist() == [1.0, 0.0]
    assert lifted.scores.tolist() == pytest.approx([1.2 * 0.9, 0.2 * 0.5])


def test_unix_times_keep_their_milliseconds() -> None:
    now = 1_795_000_000.0
    gallery = [Seen("x", 1, now), Seen("y", 1, now + 0.001)]
    lifted = lift_gallery(gallery, [0.9, 0.5], [[0.9, 0.5]], num_pivots=1, sigma_seconds=0.001)
    # float64 seconds of this century are 2.4e-7 apart, so the millisecond is off by 1e-4 of itself.
    assert float(lifted.temporal_scores[1]) == pytest.approx(ONE_SIGMA_AWAY, rel=1e-3)


def test_no_candidates() -> None:
    lifted = lift_gallery([], [], [[]])
    assert lifted.scores.shape == lifted.temporal_scores.shape == (0,)
    assert lifted.pivots == []


def draw_gallery(size: int, cameras: int, random: np.random.Generator, span: float = 2000) -> list[Seen]:
    ids = random.permutation(size)
    seconds = np.round(random.uniform(0, span, size), 3)
    return [
        Seen(f"detection-{ids[i]:04}", int(camera), float(seconds[i]))
        for i, camera in enumerate(random.integers(cameras, size=size))
    ]


@pytest.mark.parametrize(("size", "cameras", "nearby"), [(1, 1, 1), (30, 1, 3), (60, 4, 1), (400, 6, 8), (700, 3, 20)])
@pytest.mark.parametrize("num_pivots", [1, 10, 100])
def test_random_galleries_equal_slow_loops(size: int, cameras: int, nearby: int, num_pivots: int) -> None:
    random = np.random.default_rng(size + num_pivots)
    gallery = draw_gallery(size, cameras, random)
    # Rounded to sixteenths: ties everywhere, and no rounding in float32.
    retrieval = np.round(random.uniform(size=(nearby, size)) * 16) / 16
    appearance = retrieval[0].tolist()

    lifted = lift_gallery(gallery, appearance, retrieval.tolist(), num_pivots=num_pivots, sigma_seconds=80, alpha=0.3)

    expected = lift(appearance, retrieval.tolist(), gallery, num_pivots, sigma=80, alpha=0.3)
    found = {camera: [] for camera in expected.pivots}  # type: dict[int, list[tuple[int, int]]]
    for pivot in lifted.pivots:
        found[pivot.camera].append((pivot.retrieved_by, pivot.candidate))
    assert found == expected.pivots
    # float64 throughout; only the order of adding differs.
    assert lifted.temporal_scores.tolist() == pytest.approx(expected.temporal_scores, rel=1e-12)
    assert lifted.scores.tolist() == pytest.approx(expected.scores, rel=1e-12)


@pytest.mark.parametrize("span", [1.0, 20_000.0, 1e7])
def test_galleries_of_a_moment_and_of_months_equal_slow_loops(span: float) -> None:
    random = np.random.default_rng(7)
    gallery = draw_gallery(300, 2, random, span)
    retrieval = random.uniform(size=(6, 300)).tolist()
    lifted = lift_gallery(gallery, retrieval[0], retrieval, num_pivots=30, sigma_seconds=80)
    expected = lift(retrieval[0], retrieval, gallery, 30, sigma=80, alpha=0.1)
    assert lifted.temporal_scores.tolist() == pytest.approx(expected.temporal_scores, rel=1e-12)


def test_the_order_in_storage_decides_nothing() -> None:
    random = np.random.default_rng(0)
    gallery = draw_gallery(300, 4, random)
    retrieval = np.round(random.uniform(size=(5, 300)) * 16) / 16
    lifted = lift_gallery(gallery, retrieval[0].tolist(), retrieval.tolist(), num_pivots=20)
    for _ in range(3):
        order = random.permutation(300)
        shuffled = [gallery[place] for place in order]
        again = lift_gallery(shuffled, retrieval[0, order].tolist(), retrieval[:, order].tolist(), num_pivots=20)
        assert again.scores.tolist() == lifted.scores[order.copy()].tolist()
        assert [(p.camera, shuffled[p.candidate].id, p.retrieved_by) for p in again.pivots] == [
            (p.camera, gallery[p.candidate].id, p.retrieved_by) for p in lifted.pivots
        ]


def test_logits_retrieve_what_probabilities_do() -> None:
    random = np.random.default_rng(1)
    gallery = draw_gallery(200, 3, random)
    logits = random.normal(-3, 2, size=(4, 200))
    probabilities = 1 / (1 + np.exp(-logits))
    by_logit = lift_gallery(gallery, probabilities[0].tolist(), logits.tolist(), num_pivots=15)
    by_probability = lift_gallery(gallery, probabilities[0].tolist(), probabilities.tolist(), num_pivots=15)
    assert by_logit.pivots == by_probability.pivots
    assert torch.equal(by_logit.scores, by_probability.scores)


def test_blocks_of_candidates_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    gallery = draw_gallery(50, 2, random)
    retrieval = random.uniform(size=(3, 50)).tolist()
    whole = lift_gallery(gallery, retrieval[0], retrieval, num_pivots=9)
    monkeypatch.setattr(temporal_lifting, "_PAIRS_PER_BLOCK", 63)
    assert lift_gallery(gallery, retrieval[0], retrieval, num_pivots=9).scores.tolist() == pytest.approx(
        whole.scores.tolist(), rel=1e-12
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"tau_seconds": 0},
        {"tau_seconds": math.nan},
        {"sigma_seconds": -1},
        {"sigma_seconds": math.inf},
        {"num_pivots": 0},
        {"alpha": -0.1},
        {"alpha": math.nan},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        LiftingParameters(**wrong)  # type: ignore[arg-type]


def test_the_defaults_are_the_paper_s() -> None:
    assert LiftingParameters() == LiftingParameters(tau_seconds=100, sigma_seconds=100, num_pivots=100, alpha=0.1)


@pytest.mark.parametrize("num_pivots", [1, 7, 40])
def test_many_ties_are_those_of_the_slow_loops(num_pivots: int) -> None:
    random = np.random.default_rng(5)
    gallery = draw_gallery(30, 2, random)
    retrieval = random.integers(0, 3, (4, 30)).astype(float).tolist()
    found = lift_gallery(gallery, retrieval[0], retrieval, num_pivots=num_pivots)
    pivots = lift([score / 2 for score in retrieval[0]], retrieval, gallery, num_pivots, sigma=100, alpha=0.1).pivots
    assert {
        camera: [(each.retrieved_by, each.candidate) for each in found.pivots if each.camera == camera]
        for camera in pivots
    } == pivots


def test_who_has_no_score_is_no_pivot() -> None:
    """One camera has fewer scores than K, another none at all."""
    candidates = Candidates(
        ["a", "b", "c", "d"], torch.tensor([0, 0, 0, 1]), torch.tensor([0.0, 5.0, 9.0, 9.0], dtype=torch.float64)
    )
    retrieval_scores = torch.tensor([[-torch.inf, 1.0, -torch.inf, -torch.inf], [-torch.inf] * 4])
    found = find_temporal_scores(retrieval_scores, candidates, LiftingParameters(sigma_seconds=1, num_pivots=10))
    assert found.pivots == [Pivot(0, 1, 0)]
    assert found.values.tolist() == pytest.approx([math.exp(-25), 1, math.exp(-16), 0])
