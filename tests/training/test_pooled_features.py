import torch

from model.checkpoint import create_checkpoint
from training.pooled_features import pool, pooled_features
from training_run import small_recipe


def test_pooled_features_are_unit_means_of_the_backbones() -> None:
    model = create_checkpoint("small", small_recipe().model_config)
    pixels = torch.randint(0, 256, (3, 3, 48, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = pooled_features(model, pixels)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    for crop, feature in zip(pixels, found, strict=True):
        normalised = (crop.float() / 255 - mean[:, None, None]) / deviation[:, None, None]
        with torch.no_grad():
            features = model.extractor.backbone(normalised[None])[0]
        means = torch.tensor([float(channel.mean()) for channel in features])
        torch.testing.assert_close(feature, means / means.norm(), atol=1e-5, rtol=1e-4)
    assert found.shape == (3, 128)


def test_pooling_is_the_mean_over_all_places() -> None:
    assert pool(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])).tolist() == [[3.0]]
