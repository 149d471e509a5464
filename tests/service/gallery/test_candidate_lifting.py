"""Temporal scores of scored candidates, against slow loops."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from model.temporal_lifting import LiftingParameters, Pivot
from reference.temporal_lifting import Seen, lift
from service.gallery.candidate_lifting import lift_candidates
from service.records import MICROSECONDS_PER_SECOND

NOVEMBER_2026_US = 1_790_000_000_000_000


@dataclass(frozen=True)
class Drawn:
    """Logits [r, n] of a search, and who its candidates are."""

    logits: Tensor
    detection_ids: npt.NDArray[np.object_]
    timestamps_us: npt.NDArray[np.int64]
    cameras: npt.NDArray[np.int64]

    def lift(self, parameters: LiftingParameters) -> tuple[npt.NDArray[np.float64], list[Pivot], list[float]]:
        return lift_candidates(self.logits, self.detection_ids, self.timestamps_us, self.cameras, parameters)


def draw(rows: int, count: int, seed: int) -> Drawn:
    random = np.random.default_rng(seed)
    return Drawn(
        logits=torch.from_numpy(random.standard_normal((rows, count)) * 3).float(),
        detection_ids=np.array([f"d{number:03}" for number in random.permutation(count)], dtype=object),
        timestamps_us=NOVEMBER_2026_US + random.integers(0, 600 * MICROSECONDS_PER_SECOND, count),
        cameras=random.choice([0, 2, 5], count),
    )


@pytest.mark.parametrize("num_pivots", [1, 10, 10_000])
@pytest.mark.parametrize(("rows", "count"), [(1, 40), (6, 75)])
def test_it_equals_slow_loops(num_pivots: int, rows: int, count: int) -> None:
    drawn = draw(rows, count, seed=rows)
    temporal_scores, pivots, of_pivots = drawn.lift(LiftingParameters(sigma_seconds=60, num_pivots=num_pivots))
    seen = [
        Seen(str(detection_id), int(camera), (int(timestamp_us) - NOVEMBER_2026_US) / MICROSECONDS_PER_SECOND)
        for detection_id, camera, timestamp_us in zip(
            drawn.detection_ids, drawn.cameras, drawn.timestamps_us, strict=True
        )
    ]
    expected = lift([0.5] * count, drawn.logits.tolist(), seen, num_pivots, sigma=60, alpha=0.2)
    np.testing.assert_allclose(temporal_scores, expected.temporal_scores, rtol=1e-9)
    by_camera = {camera: [] for camera in expected.pivots}
    for pivot in pivots:
        by_camera[pivot.camera].append((pivot.retrieved_by, pivot.candidate))
    assert by_camera == expected.pivots
    logits = [drawn.logits[pivot.retrieved_by, pivot.candidate].item() for pivot in pivots]
    assert of_pivots == pytest.approx([1 / (1 + np.exp(-logit)) for logit in logits])


def test_no_candidates_are_no_scores() -> None:
    temporal_scores, pivots, of_pivots = draw(3, 0, seed=1).lift(LiftingParameters())
    assert (temporal_scores.shape, pivots, of_pivots) == ((0,), [], [])


def test_microseconds_count_at_todays_dates() -> None:
    drawn = draw(1, 2, seed=1)
    drawn.timestamps_us[:] = NOVEMBER_2026_US, NOVEMBER_2026_US + 1
    drawn.cameras[:] = 0
    drawn.logits[:] = torch.tensor([[5.0, 1.0]])
    temporal_scores, _, _ = drawn.lift(LiftingParameters(sigma_seconds=1e-6, num_pivots=1))
    assert temporal_scores.tolist() == pytest.approx([1, np.exp(-1)], rel=1e-6)


@pytest.mark.parametrize("count", [9, 37, 64, 101])
def test_candidates_that_are_alike_in_all_are_lifted_exactly_alike(count: int) -> None:
    drawn = draw(3, count, seed=count)
    drawn.timestamps_us[::2] = NOVEMBER_2026_US + 123_456_789
    drawn.cameras[:] = 2
    temporal_scores, _, _ = drawn.lift(LiftingParameters(num_pivots=7))
    assert len(set(temporal_scores[::2].tolist())) == 1
