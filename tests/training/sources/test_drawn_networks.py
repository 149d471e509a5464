import numpy as np
import torch

from training.datasets.crop_pixels import read_crop_pixels
from training.sources.drawn_networks import DrawnNetworks, NetworkPlan, build_network, draw_networks

PLANS = (NetworkPlan(1, 2, 2), NetworkPlan(2, 3, 2))


def test_networks_are_drawn_one_after_another_and_share_nobody() -> None:
    progress: list[tuple[str, int, int]] = []
    drawn = draw_networks(
        DrawnNetworks(PLANS, crop_height=16, crop_width=8), 1, lambda *report: progress.append(report)
    )
    first, second = (read_crop_pixels(build_network(plan), 16, 8) for plan in PLANS)
    persons = np.concatenate((first.persons, second.persons + 2))
    np.testing.assert_array_equal(drawn.persons.numpy(), persons)
    assert (drawn.num_people, drawn.num_crops) == (5, len(first) + len(second))
    np.testing.assert_array_equal(
        drawn.read(torch.arange(drawn.num_crops)).numpy(), np.concatenate((first.pixels, second.pixels))
    )
    assert progress[-1] == ("drawing crops", drawn.num_crops, drawn.num_crops)


def test_a_crop_is_called_by_its_network_its_walk_and_its_time() -> None:
    drawn = draw_networks(DrawnNetworks(PLANS, crop_height=4, crop_width=2), 1, lambda *_: None)
    crop = build_network(PLANS[0])[0]
    (name,) = drawn.describe(torch.tensor([0]))
    assert name == f"network 1, {crop.track_id} at {crop.timestamp_seconds:.1f} s"
