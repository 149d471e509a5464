"""What cannot be made into a feature map is told, crop by crop, and ends nothing."""

from contextlib import closing

import numpy as np
import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from service.errors import Unavailable, UnusableFeatureMap
from service.inference.feature_extraction import FeatureMap
from service.inference.image_decoding import ImageDecoder, ImageLimits
from service.inference.maps_from_crops import UnusableCrop, make_feature_maps
from tests.service.drawn_crops import crop_file

CONFIG = ModelConfig(64, 32, backbone="resnet18", final_layer="layer2", channels=16)
LIMITS = ImageLimits(max_pixels=16_000_000, min_side=8)


@pytest.mark.anyio
async def test_one_crop_that_cannot_be_used_leaves_the_others() -> None:
    first: list[Tensor] = []

    async def extract(pixels: Tensor) -> FeatureMap:
        first.append(pixels)
        if pixels.equal(first[0]):
            raise UnusableFeatureMap("no numbers")
        return np.full((1, 1, 1), float(pixels.to(torch.float32).mean()), np.float16)

    with closing(ImageDecoder(CONFIG, LIMITS, threads=1, max_waiting=8)) as decoder:
        made = await make_feature_maps([crop_file(1), crop_file(2), b"", b"no image"], decoder, extract)
    assert made[0] == UnusableCrop("no numbers")
    assert isinstance(made[1], np.ndarray)
    assert made[2] == UnusableCrop("the crop was not kept")
    assert isinstance(made[3], UnusableCrop)


@pytest.mark.anyio
async def test_a_failure_of_the_device_is_not_the_crops() -> None:
    async def extract(_: Tensor) -> FeatureMap:
        raise Unavailable("the device is gone")

    with closing(ImageDecoder(CONFIG, LIMITS, threads=1, max_waiting=8)) as decoder, pytest.raises(Unavailable):
        await make_feature_maps([crop_file(1)], decoder, extract)
