"""The feature extractor: shapes, unit length, independence of the batch."""

import pytest
import torch

from model.config import ModelConfig
from model.feature_extractor import FeatureExtractor
from model.preprocessing import normalise_crops


def build(neck_kernel_size: int = 1, neck_batch_norm: bool = False) -> FeatureExtractor:
    config = ModelConfig(
        input_height=96,
        input_width=48,
        backbone="resnet18",
        channels=24,
        neck_kernel_size=neck_kernel_size,
        neck_batch_norm=neck_batch_norm,
    )
    torch.manual_seed(0)
    return FeatureExtractor(config).eval()


def draw_crops(count: int) -> torch.Tensor:
    return torch.randint(256, (count, 3, 96, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("neck_kernel_size", "neck_batch_norm"), [(1, False), (3, True)])
@torch.no_grad()
def test_maps_have_unit_length_at_every_location(neck_kernel_size: int, neck_batch_norm: bool) -> None:
    maps = build(neck_kernel_size, neck_batch_norm)(draw_crops(3))
    assert maps.shape == (3, 24, 6, 3)
    assert maps.dtype == torch.float32
    torch.testing.assert_close(maps.norm(dim=1), torch.ones(3, 6, 3))


@torch.no_grad()
def test_it_is_backbone_then_neck_then_normalisation() -> None:
    extractor = build()
    crops = draw_crops(2)
    features = extractor.neck(extractor.backbone(normalise_crops(crops, extractor.config)))
    torch.testing.assert_close(extractor(crops), features / features.norm(dim=1, keepdim=True))


@torch.no_grad()
def test_a_crop_s_map_does_not_depend_on_its_neighbours() -> None:
    extractor = build()
    crops = draw_crops(4)
    # Another batch size may take another convolution algorithm, so not bit for bit.
    torch.testing.assert_close(extractor(crops)[2:3], extractor(crops[2:3]), rtol=0, atol=1e-5)


@torch.no_grad()
def test_bytes_and_floating_point_pixels_give_the_same_map() -> None:
    extractor = build()
    assert torch.equal(extractor(draw_crops(1)), extractor(draw_crops(1).float()))
