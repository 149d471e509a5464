import tracemalloc
from io import BytesIO

import numpy as np
from PIL import Image

from training.datasets.crop_pixels import read_crop_pixels
from training.datasets.labelled_crop import LabelledCrop
from training.synthetic.network import SyntheticNetwork


def _image() -> bytes:
    content = BytesIO()
    Image.new("RGB", (32, 64), (90, 120, 30)).save(content, "PNG")
    return content.getvalue()


IMAGE = _image()


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


def test_reading_takes_the_memory_of_the_result_and_little_more() -> None:
    def crop(number: int) -> LabelledCrop:
        return LabelledCrop(f"person {number % 7}", "camera", float(number), "track", lambda: IMAGE)

    crops = [crop(number) for number in range(320)]
    tracemalloc.start()
    try:
        result = read_crop_pixels(crops, 128, 64)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Two chunks of 64 crops, the images that one is made of, and some small objects; twice the result would be 15.7 MB.
    assert peak < result.pixels.nbytes + 3 * result.pixels.nbytes * 64 / 320 + 1e6
