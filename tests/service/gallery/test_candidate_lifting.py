"""Lifting of scored candidates, against slow loops."""

import numpy as np
import pytest
import torch

from model.temporal_lifting import LiftingParameters
from reference.temporal_lifting import Seen, lift
from service.gallery.candidate_lifting import LiftingJob, lift_candidates
from service.gallery.candidate_scoring import ScoredCandidates, SearchLogits
from service.records import MICROSECONDS_PER_SECOND

NOVEMBER_2026_US = 1_790_000_000_000_000


def draw_scored(rows: int, count: int, seed: int) -> ScoredCandidates:
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(random.standard_normal((rows, count)) * 3).float()
    return ScoredCandidates(
        logits=SearchLogits(logits, list(range(rows)), slice(None)),
        appearance_scores=logits[0].double().sigmoid().numpy(),
        nearby_ids=tuple(f"n{row}" for row in range(1, rows)),
        detection_ids=np.array([f"d{number:03}" for number in random.permutation(count)], dtype=object),
        timestamps_us=NOVEMBER_2026_US + random.integers(0, 600 * MICROSECONDS_PER_SECOND, count),
        cameras=random.choice([0, 2, 5], count),
        camera_ids=tuple(f"c{number}" for number in range(6)),
        track_ids=np.full(count, None, dtype=object),
        person_ids=np.full(count, None, dtype=object),
        gallery_size=count + 7,
    )


@pytest.mark.parametrize("num_pivots", [1, 10, 10_000])
def test_a_batch_equals_slow_loops(num_pivots: int) -> None:
    parameters = LiftingParameters(sigma_seconds=60, num_pivots=num_pivots, alpha=0.2)
    all_scored = [draw_scored(1, 40, seed=1), draw_scored(6, 75, seed=2)]
    lifted = lift_candidates([LiftingJob(scored, scored.appearance_scores, parameters) for scored in all_scored])
    for scored, found in zip(all_scored, lifted, strict=True):
        seen = [
            Seen(str(detection_id), int(camera), (int(timestamp_us) - NOVEMBER_2026_US) / MICROSECONDS_PER_SECOND)
            for detection_id, camera, timestamp_us in zip(
                scored.detection_ids, scored.cameras, scored.timestamps_us, strict=True
            )
        ]
        appearance = (1 / (1 + np.exp(-scored.logits.of_query().double().numpy()))).tolist()
        expected = lift(appearance, scored.logits.of_search().tolist(), seen, num_pivots, sigma=60, alpha=0.2)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-9)
        np.testing.assert_allclose(found.temporal_scores, expected.temporal_scores, rtol=1e-9)
        pivots = {camera: [] for camera in expected.pivots}
        for pivot in found.pivots:
            pivots[pivot.camera].append((pivot.retrieved_by, pivot.candidate))
        assert pivots == expected.pivots


def test_no_candidates_are_no_scores() -> None:
    (lifted,) = lift_candidates([LiftingJob(draw_scored(3, 0, seed=1), np.empty(0), LiftingParameters())])
    assert (lifted.scores.shape, lifted.temporal_scores.shape, lifted.pivots) == ((0,), (0,), [])


def test_microseconds_count_at_todays_dates() -> None:
    scored = draw_scored(1, 2, seed=1)
    scored.timestamps_us[:] = NOVEMBER_2026_US, NOVEMBER_2026_US + 1
    scored.cameras[:] = 0
    scored.logits.of_batch[:] = torch.tensor([[5.0, 1.0]])
    (lifted,) = lift_candidates(
        [LiftingJob(scored, scored.appearance_scores, LiftingParameters(sigma_seconds=1e-6, num_pivots=1))]
    )
    assert lifted.temporal_scores.tolist() == pytest.approx([1, np.exp(-1)], rel=1e-6)


@pytest.mark.parametrize("count", [9, 37, 64, 101])
def test_candidates_that_are_alike_in_all_are_lifted_exactly_alike(count: int) -> None:
    scored = draw_scored(3, count, seed=count)
    scored.timestamps_us[::2] = NOVEMBER_2026_US + 123_456_789
    scored.cameras[:] = 2
    scored.appearance_scores[::2] = 0.3
    (lifted,) = lift_candidates([LiftingJob(scored, scored.appearance_scores, LiftingParameters(num_pivots=7))])
    assert len(set(lifted.scores[::2].tolist())) == 1
    assert len(set(lifted.temporal_scores[::2].tolist())) == 1


def test_what_is_lifted_may_be_re_ranked_and_pivots_stay_those_of_appearance() -> None:
    scored = draw_scored(3, 40, seed=4)
    similarities = np.random.default_rng(5).uniform(0, 1, 40)
    similarities[::3] = 0
    plain, reranked = lift_candidates(
        [LiftingJob(scored, each, LiftingParameters()) for each in (scored.appearance_scores, similarities)]
    )
    assert plain.pivots == reranked.pivots
    np.testing.assert_array_equal(plain.temporal_scores, reranked.temporal_scores)
    np.testing.assert_allclose(reranked.scores, (plain.temporal_scores + 0.1) * similarities, rtol=1e-12)
