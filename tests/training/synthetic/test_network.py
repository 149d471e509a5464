import pickle
from collections import defaultdict
from io import BytesIO
from time import process_time

import numpy as np
import pytest
from PIL import Image

from training.synthetic.network import SyntheticNetwork
from training.synthetic.walks import Traffic


def test_the_same_seed_gives_the_same_crops_in_any_order() -> None:
    first, second = (SyntheticNetwork(seed=3, num_people=6, num_cameras=3, start_time=1e9) for _ in range(2))
    forward = [crop.read_image_bytes() for crop in first[:12]]
    backward = [crop.read_image_bytes() for crop in reversed(second[:12])]
    assert forward == backward[::-1]
    assert [(c.person_id, c.camera_id, c.track_id, c.timestamp_seconds) for c in first] == [
        (c.person_id, c.camera_id, c.track_id, c.timestamp_seconds) for c in second
    ]


def test_another_seed_gives_other_crops() -> None:
    first, second = (SyntheticNetwork(seed=seed, num_people=4, num_cameras=2) for seed in (1, 2))
    assert first[0].read_image_bytes() != second[0].read_image_bytes()
    assert first[0].timestamp_seconds != second[0].timestamp_seconds


def test_a_start_another_day_moves_the_times_and_the_weather() -> None:
    early, late = (SyntheticNetwork(seed=1, num_people=4, num_cameras=2, start_time=start) for start in (0.0, 86_400.0))
    shifts = [b.timestamp_seconds - a.timestamp_seconds for a, b in zip(early, late, strict=True)]
    np.testing.assert_allclose(shifts, 86_400.0, atol=1e-3)
    # Clouds and lamps drift from day to day: the pictures are alike, not the same.
    first, second = (np.asarray(network[3].read_image(), np.float64) for network in (early, late))
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.9


def test_thousands_of_people_are_planned_at_once() -> None:
    start = process_time()
    network = SyntheticNetwork(seed=2, num_people=1500, num_cameras=40, traffic=Traffic(1.0, 1, 2))
    assert len({crop.person_id for crop in network}) == 1500
    assert process_time() - start < 10


def test_crops_come_in_time_order_and_are_all_there() -> None:
    network = SyntheticNetwork(seed=5, num_people=20, num_cameras=4)
    times = [crop.timestamp_seconds for crop in network]
    assert times == sorted(times)
    assert len(times) == len(network)
    assert len({crop.person_id for crop in network}) == 20


def test_everybody_is_seen_by_at_least_two_cameras() -> None:
    cameras_of: dict[str, set[str]] = defaultdict(set)
    for crop in SyntheticNetwork(seed=6, num_people=30, num_cameras=5):
        cameras_of[crop.person_id].add(crop.camera_id)
    assert min(len(cameras) for cameras in cameras_of.values()) >= 2


def test_crops_are_jpegs_of_a_persons_shape() -> None:
    network = SyntheticNetwork(seed=7, num_people=10, num_cameras=4)
    for crop in network[::9]:
        with Image.open(BytesIO(crop.read_image_bytes())) as image:
            assert image.format == "JPEG"
            width, height = image.size
        assert 24 <= height <= 340
        assert 0.25 < width / height < 0.65


def test_cameras_differ_in_brightness() -> None:
    brightness: dict[str, list[float]] = defaultdict(list)
    for crop in SyntheticNetwork(seed=8, num_people=12, num_cameras=6)[::3]:
        brightness[crop.camera_id].append(float(np.asarray(crop.read_image()).mean()))
    means = [float(np.mean(values)) for values in brightness.values()]
    assert max(means) - min(means) > 25


def test_a_crop_may_be_drawn_in_another_process() -> None:
    crop = SyntheticNetwork(seed=9, num_people=2, num_cameras=2)[0]
    assert pickle.loads(pickle.dumps(crop)).read_image_bytes() == crop.read_image_bytes()


def test_traffic_decides_how_many_crops_a_walk_has() -> None:
    network = SyntheticNetwork(seed=1, num_people=5, num_cameras=3, traffic=Traffic(10.0, 2, 2))
    crops_of: dict[str, int] = defaultdict(int)
    for crop in network:
        crops_of[crop.track_id] += 1
    assert set(crops_of.values()) == {2}


@pytest.mark.parametrize("arguments", [(-1, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_impossible_networks_are_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="seed must be 0 or more"):
        SyntheticNetwork(*arguments)
