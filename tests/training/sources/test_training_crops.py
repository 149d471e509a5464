import numpy as np

from training.datasets.crop_pixels import CropPixels
from training.sources.training_crops import FixedCrops


def fingerprint(persons: list[int], brightness: list[int]) -> str:
    pixels, zeros = np.zeros((len(persons), 3, 2, 1), np.uint8), np.zeros(len(persons))
    pixels += np.array(brightness, np.uint8)[:, None, None, None]
    crops = CropPixels(pixels, np.array(persons), zeros.astype(np.int64), zeros)
    return FixedCrops(crops, ["a crop"] * len(persons)).fingerprint()


def test_other_crops_persons_or_pixels_have_another_fingerprint() -> None:
    known = fingerprint([0, 1, 1], [7, 8, 9])
    assert known.startswith("3 crops of 2 people (")
    assert fingerprint([0, 1, 1], [7, 8, 9]) == known
    others = [([0, 1], [7, 8]), ([0, 0, 1], [7, 8, 9]), ([0, 1, 1], [7, 9, 8])]
    assert len({known, *(fingerprint(*other) for other in others)}) == 4
