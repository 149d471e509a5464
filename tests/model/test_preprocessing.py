"""From a crop to pixels."""

import numpy as np
import pytest
import torch
from PIL import Image

from model.config import IMAGENET_MEAN, IMAGENET_STD, ModelConfig
from model.preprocessing import normalise_crops, preprocess_crop

SMALL = ModelConfig(input_height=64, input_width=32)


def draw_image(width: int, height: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(256, size=(height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize(("width", "height"), [(32, 64), (60, 160), (1, 1), (500, 20)])
def test_any_shape_becomes_the_input_s(width: int, height: int) -> None:
    pixels = preprocess_crop(draw_image(width, height), SMALL)
    assert pixels.shape == (3, 64, 32)
    assert pixels.dtype == torch.uint8
    assert pixels.is_contiguous()


def test_a_crop_of_the_right_size_keeps_its_pixels() -> None:
    image = draw_image(32, 64)
    assert np.array_equal(preprocess_crop(image, SMALL).permute(1, 2, 0).numpy(), np.array(image))


def test_channels_are_red_green_blue() -> None:
    pixels = preprocess_crop(Image.new("RGB", (10, 20), (200, 100, 50)), SMALL)
    assert pixels.flatten(1).float().mean(dim=1).tolist() == [200, 100, 50]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_other_modes_are_converted(mode: str) -> None:
    assert preprocess_crop(draw_image(20, 40, mode), SMALL).shape == (3, 64, 32)


def test_the_config_s_interpolation_is_used() -> None:
    image = draw_image(20, 40)
    bicubic = ModelConfig(input_height=64, input_width=32, interpolation="bicubic")
    expected = np.array(image.resize((32, 64), Image.Resampling.BICUBIC))
    assert np.array_equal(preprocess_crop(image, bicubic).permute(1, 2, 0).numpy(), expected)
    assert not torch.equal(preprocess_crop(image, bicubic), preprocess_crop(image, SMALL))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.int64])
def test_normalisation_by_hand(dtype: torch.dtype) -> None:
    crops = torch.full((1, 3, 2, 2), 255, dtype=dtype)
    found = normalise_crops(crops, SMALL)
    assert found.dtype == torch.float32
    by_hand = [(1 - mean) / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    assert found[0, :, 0, 0].tolist() == pytest.approx(by_hand)


def test_without_mean_and_spread_pixels_are_in_zero_to_one() -> None:
    config = ModelConfig(input_mean=(0.0, 0.0, 0.0), input_std=(1.0, 1.0, 1.0))
    assert normalise_crops(torch.tensor([0, 51, 255]).view(1, 3, 1, 1), config).flatten().tolist() == pytest.approx(
        [0.0, 0.2, 1.0]
    )
