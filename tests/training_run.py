"""A run of a second or two: random pixels, a small network, the ways of the shipped checkpoint's recipe."""

from dataclasses import replace

import numpy as np

from model.config import ModelConfig
from training.augmentation.settings import STRONG_AUGMENTATION
from training.datasets.crop_pixels import CropPixels
from training.learning_rate import WarmupCosine
from training.losses.contrastive import ContrastiveSettings
from training.objectives.build_objective import ObjectiveSettings
from training.objectives.pairwise_matching import PairwiseMatching
from training.recipe import Recipe, Stage
from training.recipes import tiny
from training.sampling.balanced import BalancedSampling
from training.sampling.build_batches import Sampling
from training.sources.training_crops import FixedCrops

NUM_PEOPLE, CROPS_PER_PERSON = 8, 4


def small_recipe(
    objective: ObjectiveSettings | None = None, sampling: Sampling | None = None, *, epochs: int = 2, steps: int = 5
) -> Recipe:
    """Two stages of two sizes."""
    sampling = sampling or BalancedSampling(4, 2)
    return replace(
        tiny(),
        model_config=ModelConfig(
            input_height=48,
            input_width=24,
            backbone="resnet18",
            final_layer="layer2",
            channels=16,
            neck_batch_norm=True,
        ),
        stages=(
            Stage(32, 16, epochs, sampling, WarmupCosine(0.02, 2), steps),
            Stage(48, 24, 1, sampling, WarmupCosine(0.01, 1), steps),
        ),
        objective=objective or PairwiseMatching(triplet_margin=2.0),
        augmentation=STRONG_AUGMENTATION,
        contrastive=ContrastiveSettings(weight=0.5),
    )


def small_crops(seed: int = 0) -> FixedCrops:
    """People as patterns of random colours, so that there is something to learn; each crop a little different."""
    random = np.random.default_rng(seed)
    patterns = random.integers(0, 256, (NUM_PEOPLE, 3, 6, 3)).repeat(8, axis=2).repeat(8, axis=3)
    persons = np.arange(NUM_PEOPLE).repeat(CROPS_PER_PERSON)
    pixels = patterns[persons] + random.integers(-20, 21, (len(persons), 3, 48, 24))
    crops = CropPixels(
        pixels=pixels.clip(0, 255).astype(np.uint8),
        persons=persons,
        cameras=np.tile(np.arange(CROPS_PER_PERSON), NUM_PEOPLE),
        seconds=np.zeros(len(persons)),
    )
    return FixedCrops(crops, [f"pattern {person}, crop {number}" for number, person in enumerate(persons)])
