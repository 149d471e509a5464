import numpy as np
import pytest
import torch

from model.checkpoint import create_checkpoint
from training.datasets.crop_pixels import CropPixels
from training.validation import validate
from training_run import small_recipe


@pytest.mark.parametrize("pooled", [False, True])
def test_crops_that_are_equal_find_each_other(pooled: bool) -> None:
    torch.manual_seed(0)
    model = create_checkpoint("small", small_recipe().model_config)
    pictures = np.random.default_rng(0).integers(0, 256, (6, 3, 48, 24), dtype=np.uint8)
    persons = np.arange(6).repeat(2)
    crops = CropPixels(pictures[persons], persons, np.tile([0, 1], 6), np.zeros(12))
    metrics = validate(model, crops, compares_pooled_features=pooled, precision="float32")
    assert metrics.num_queries == 12
    assert metrics.mean_average_precision == pytest.approx(1.0)
    shuffled = CropPixels(pictures[np.roll(persons, 3)], persons, crops.cameras, crops.seconds)
    worse = validate(model, shuffled, compares_pooled_features=pooled, precision="float32")
    assert worse.mean_average_precision < 0.7
