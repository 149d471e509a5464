import numpy as np

from training.datasets.crop_pixels import join_crop_pixels, read_crop_pixels
from training.synthetic.network import SyntheticNetwork


def test_pixels_and_labels_follow_the_crops() -> None:
    network = SyntheticNetwork(seed=1, num_people=4, num_cameras=2)
    crops = read_crop_pixels(network, 64, 32)
    assert crops.pixels.shape == (len(network), 3, 64, 32)
    assert crops.num_persons == 4
    for index in (0, len(network) - 1):
        expected = np.asarray(network[index].read_image().resize((32, 64), 2)).transpose(2, 0, 1)
        np.testing.assert_array_equal(crops.pixels[index], expected)
    same = [crop.person_id == network[0].person_id for crop in network]
    np.testing.assert_array_equal(crops.persons == crops.persons[0], same)


def test_several_processes_read_the_same() -> None:
    network = SyntheticNetwork(seed=2, num_people=6, num_cameras=3)
    progress: list[int] = []
    alone = read_crop_pixels(network, 32, 16)
    together = read_crop_pixels(network, 32, 16, num_processes=2, on_progress=lambda done, _: progress.append(done))
    np.testing.assert_array_equal(alone.pixels, together.pixels)
    assert progress[-1] == len(network)


def test_joined_sets_share_nobody_and_no_camera() -> None:
    parts = [read_crop_pixels(SyntheticNetwork(seed, 3, 2), 16, 8) for seed in (1, 2)]
    joined = join_crop_pixels(parts)
    first = len(parts[0])
    assert joined.num_persons == 6
    assert not set(joined.persons[:first]) & set(joined.persons[first:])
    assert not set(joined.cameras[:first]) & set(joined.cameras[first:])
    assert len(joined) == first + len(parts[1])
