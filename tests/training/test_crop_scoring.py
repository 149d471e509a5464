import pytest
import torch

from model.checkpoint import create_checkpoint
from training.crop_scoring import score_crops
from training.pooled_features import pooled_features
from training_run import small_recipe


@pytest.mark.parametrize("pooled", [False, True])
def test_scores_are_the_models_and_its_mode_stays(pooled: bool) -> None:
    torch.manual_seed(1)
    model = create_checkpoint("small", small_recipe().model_config)
    pixels = torch.randint(0, 256, (5, 3, 48, 24), dtype=torch.uint8)
    with torch.no_grad():
        maps = model.extractor(pixels)
        expected = model.matcher(maps, maps)
        if pooled:
            features = pooled_features(model, pixels)
            expected = features @ features.T
    model.extractor.train()
    running = model.extractor.backbone.bn1.running_mean.clone()
    found = score_crops(model, pixels[:2], pixels, compares_pooled_features=pooled, precision="float32")
    assert model.extractor.training
    assert torch.equal(model.extractor.backbone.bn1.running_mean, running)
    # Maps are held in bfloat16.
    torch.testing.assert_close(found, expected[:2], atol=2e-2, rtol=0)
    same = score_crops(model, pixels, pixels, compares_pooled_features=pooled, precision="float32")
    torch.testing.assert_close(same[:2], found)
