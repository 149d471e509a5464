"""Crops, scores and searches for tests of the evaluation: drawn colours, and scores without a network."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import torch
from PIL import Image

from model.retrieval_metrics import CropLabels
from training.datasets.labelled_crop import LabelledCrop
from training.evaluation.pair_scores import PairScores
from training.evaluation.searches import Searches


def crop(person: str, camera: str, seconds: float = 0.0, track: str = "", seed: int | None = None) -> LabelledCrop:
    """A crop of one colour, or of coloured patches that a seed decides."""

    def draw() -> bytes:
        random = np.random.default_rng(seed)
        pixels = np.zeros((8, 4, 3), np.uint8) if seed is None else random.integers(0, 256, (8, 4, 3), dtype=np.uint8)
        file = BytesIO()
        Image.fromarray(pixels).resize((32, 64), Image.Resampling.NEAREST).save(file, "PNG")
        return file.getvalue()

    return LabelledCrop(person, camera, seconds, track or f"{camera}-{person}", draw)


def searches_for(
    persons: Sequence[int],
    cameras: Sequence[int],
    seconds: Sequence[float],
    queries: Sequence[int],
    gallery: Sequence[int] | None = None,
) -> Searches:
    """Searches of crops that have no pictures."""
    return Searches(
        crops=(),
        queries=torch.tensor(queries),
        gallery=torch.arange(len(persons)) if gallery is None else torch.tensor(gallery),
        labels=CropLabels(torch.tensor(persons), torch.tensor(cameras)),
        seconds=torch.tensor(seconds, dtype=torch.float64),
    )


def all_pairs(logits: Sequence[Sequence[float]] | torch.Tensor) -> PairScores:
    """Logits of all crops against all."""
    values = torch.as_tensor(logits).float()
    return PairScores(values, torch.arange(len(values)), "logit")
