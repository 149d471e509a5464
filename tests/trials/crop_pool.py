"""Crops whose scores against each other are known beforehand, from the float32 reference.

So a search's right answer is looked up and not computed, and a hundred thousand operations cost little beside the
service's own work. No two pairs of crops score nearly alike, in one direction or in the mean of both, which re-ranking
takes: which of two is the better match is never a matter of rounding, and equal scores are those of the same pair.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from model.checkpoint import Checkpoint, load_checkpoint
from model.gallery_scoring import Float32ReferenceScorer, position_major
from model.gallery_scoring.interface import FoldedMatcher
from model.preprocessing import preprocess_crop
from service.inference.feature_extraction import FeatureExtraction, FeatureMap
from service.inference.image_decoding import ImageLimits, open_upright
from tests.service.drawn_crops import crop_file

CROP_WIDTH, CROP_HEIGHT = 16, 32

# A hundred times what the service's scores and the reference's differ by.
_SMALLEST_DIFFERENCE = 1e-5


@dataclass(frozen=True, slots=True)
class CropPool:
    """Crops by their number.

    Attributes:
        files: image files, all different.
        maps: their feature maps.
        logits: float64 [query, gallery].
        fingerprint: of the model.
    """

    files: list[bytes]
    maps: list[FeatureMap]
    logits: npt.NDArray[np.float64]
    fingerprint: str

    @property
    def size(self) -> int:
        return len(self.files)

    def appearance_score(self, query: int, gallery: int) -> float:
        return float(1 / (1 + np.exp(-self.logits[query, gallery])))


def draw_pool(checkpoint_path: Path, size: int) -> CropPool:
    """A pool of crops for the model of a checkpoint."""
    checkpoint = load_checkpoint(checkpoint_path)
    for first_seed in range(0, 1000 * size, size):
        files = [crop_file(first_seed + number, CROP_WIDTH, CROP_HEIGHT) for number in range(size)]
        maps = extract_each(checkpoint, files)
        logits = _score(checkpoint, maps)
        means = ((logits + logits.T) / 2)[np.triu_indices(size)]
        if all(_are_far_apart(scores) for scores in (logits, means)):
            return CropPool(files, maps, logits, checkpoint.fingerprint)
    raise AssertionError(f"no {size} crops were found whose scores differ by more than {_SMALLEST_DIFFERENCE}")


def _are_far_apart(scores: npt.NDArray[np.float64]) -> bool:
    ordered = np.sort(scores, axis=None)
    return all(after - before > _SMALLEST_DIFFERENCE for before, after in pairwise(ordered.tolist()))


def extract_each(checkpoint: Checkpoint, files: list[bytes]) -> list[FeatureMap]:
    """Feature maps of image files, each extracted alone: crops of one batch may differ in a last bit."""
    extraction = FeatureExtraction(checkpoint.extractor, torch.device("cpu"))
    limits = ImageLimits(max_pixels=1_000_000, min_side=8)
    pixels = [preprocess_crop(open_upright(file, limits)[0], checkpoint.config) for file in files]
    return [extraction.extract([each])[0] for each in pixels]


def _score(checkpoint: Checkpoint, maps: list[FeatureMap]) -> npt.NDArray[np.float64]:
    scorer = Float32ReferenceScorer(FoldedMatcher.of(checkpoint.matcher, checkpoint.config, "cpu"))
    gallery = position_major(torch.from_numpy(np.stack(maps)).float())
    with torch.inference_mode():
        return scorer.score(gallery, gallery).double().numpy()
