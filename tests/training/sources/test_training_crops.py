import numpy as np

from training.datasets.crop_pixels import CropPixels
from training.sources.training_crops import FixedCrops


def fingerprint(persons: list[int], sources: list[str]) -> str:
    pixels, zeros = np.zeros((len(persons), 3, 2, 1), np.uint8), np.zeros(len(persons))
    crops = CropPixels(pixels, np.array(persons), zeros.astype(np.int64), zeros)
    return FixedCrops(crops, sources).fingerprint()


def test_other_crops_persons_or_sources_have_another_fingerprint() -> None:
    known = fingerprint([0, 1, 1], ["a", "b", "c"])
    assert known.startswith("3 crops of 2 people (")
    assert fingerprint([0, 1, 1], ["a", "b", "c"]) == known
    others = [([0, 1], ["a", "b"]), ([0, 0, 1], ["a", "b", "c"]), ([0, 1, 1], ["a", "c", "b"])]
    assert len({known, *(fingerprint(*other) for other in others)}) == 4
