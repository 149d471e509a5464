"""Temporal scores of scored candidates, against slow loops."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from model.temporal_lifting import LiftingParameters
from reference.temporal_lifting import Seen, lift
from service.gallery.candidate_lifting import LiftedCandidates, lift_candidates
from service.gallery.slot_table import SlotTable
from service.records import MICROSECONDS_PER_SECOND

NOVEMBER_2026_US = 1_790_000_000_000_000


CAMERA_IDS = ["north", "closed", "south", "gone", "old", "west"]


@dataclass(frozen=True)
class Drawn:
    """Logits [r, n] of a search, and who its candidates are; in the gallery they stand in the opposite order."""

    logits: Tensor
    detection_ids: npt.NDArray[np.object_]
    timestamps_us: npt.NDArray[np.int64]
    cameras: npt.NDArray[np.int64]

    def lift(self, parameters: LiftingParameters) -> LiftedCandidates:
        """The nearby persons are the last candidates."""
        count = len(self.cameras)
        table = SlotTable(count)
        table.camera_ids = CAMERA_IDS
        table.detection_ids[:] = self.detection_ids[::-1]
        table.timestamps_us[:] = self.timestamps_us[::-1]
        slots = np.arange(count)[::-1]
        cameras = torch.from_numpy(self.cameras)
        nearby = list(range(len(self.logits) - 1))
        return lift_candidates(self.logits, table, slots, cameras=cameras, nearby=nearby, parameters=parameters)


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
    lifted = drawn.lift(LiftingParameters(sigma_seconds=60, num_pivots=num_pivots))
    seen = [
        Seen(str(detection_id), int(camera), (int(timestamp_us) - NOVEMBER_2026_US) / MICROSECONDS_PER_SECOND)
        for detection_id, camera, timestamp_us in zip(
            drawn.detection_ids, drawn.cameras, drawn.timestamps_us, strict=True
        )
    ]
    expected = lift([0.5] * count, drawn.logits.tolist(), seen, num_pivots, sigma=60, alpha=0.2)
    np.testing.assert_allclose(lifted.temporal_scores, expected.temporal_scores, rtol=1e-9)
    by_camera = {CAMERA_IDS[camera]: [] for camera in expected.pivots}
    for pivot in lifted.pivots:
        by_camera[pivot.camera_id].append((pivot.retrieved_by, pivot.detection_id))
    names = [None, *drawn.detection_ids[::-1][: rows - 1]]
    assert by_camera == {
        CAMERA_IDS[camera]: [(names[row], drawn.detection_ids[place]) for row, place in found]
        for camera, found in expected.pivots.items()
    }
    for pivot in lifted.pivots:
        place = drawn.detection_ids.tolist().index(pivot.detection_id)
        logit = drawn.logits[names.index(pivot.retrieved_by), place].item()
        assert pivot.appearance_score == pytest.approx(1 / (1 + np.exp(-logit)))
        assert pivot.timestamp_us == drawn.timestamps_us[place]


def test_no_candidates_are_no_scores() -> None:
    lifted = draw(1, 0, seed=1).lift(LiftingParameters())
    assert (lifted.temporal_scores.shape, lifted.pivots) == ((0,), ())


def test_microseconds_count_at_todays_dates() -> None:
    drawn = draw(1, 2, seed=1)
    drawn.timestamps_us[:] = NOVEMBER_2026_US, NOVEMBER_2026_US + 1
    drawn.cameras[:] = 0
    drawn.logits[:] = torch.tensor([[5.0, 1.0]])
    temporal_scores = drawn.lift(LiftingParameters(sigma_seconds=1e-6, num_pivots=1)).temporal_scores
    assert temporal_scores.tolist() == pytest.approx([1, np.exp(-1)], rel=1e-6)


@pytest.mark.parametrize("count", [9, 37, 64, 101])
def test_candidates_that_are_alike_in_all_are_lifted_exactly_alike(count: int) -> None:
    drawn = draw(3, count, seed=count)
    drawn.timestamps_us[::2] = NOVEMBER_2026_US + 123_456_789
    drawn.cameras[:] = 2
    temporal_scores = drawn.lift(LiftingParameters(num_pivots=7)).temporal_scores
    assert len(set(temporal_scores[::2].tolist())) == 1
