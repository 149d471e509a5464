"""Crops to stored feature maps: the model's own, rounded once."""

import numpy as np
import pytest
import torch

from model.checkpoint import create_checkpoint
from model.config import ModelConfig
from model.preprocessing import preprocess_crop
from service.errors import ServiceError
from service.inference.feature_extraction import FeatureExtraction
from tests.service.drawn_crops import draw_crop

CONFIG = ModelConfig(64, 32, backbone="resnet18", final_layer="layer2", channels=16)


def test_maps_are_the_extractors_rounded_to_float16_and_do_not_depend_on_the_batch() -> None:
    checkpoint = create_checkpoint("tiny", CONFIG)
    extraction = FeatureExtraction(checkpoint.extractor, torch.device("cpu"))
    crops = [preprocess_crop(draw_crop(seed), CONFIG) for seed in range(11)]  # more than at once
    maps = extraction.extract(crops)
    with torch.inference_mode():
        expected = checkpoint.extractor(torch.stack(crops)).numpy()
    for crop, feature_map, wanted in zip(crops, maps, expected, strict=True):
        assert (feature_map.dtype, feature_map.shape) == (np.float16, (16, 8, 4))
        assert feature_map.flags.c_contiguous
        # Values are at most 1: float16 rounds them by at most 2⁻¹², and other batches add in another order.
        np.testing.assert_allclose(feature_map, wanted, rtol=0, atol=2**-11)
        np.testing.assert_allclose(extraction.extract([crop])[0], feature_map, rtol=0, atol=2**-10)
        norms = np.linalg.norm(feature_map.astype(np.float32), axis=0)
        np.testing.assert_allclose(norms, 1, atol=2e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_that_makes_no_numbers_gives_an_error_and_no_map(value: float) -> None:
    extractor = create_checkpoint("tiny", CONFIG).extractor
    with torch.no_grad():
        extractor.neck[0].weight[3, 2] = value
    extraction = FeatureExtraction(extractor, torch.device("cpu"))
    with pytest.raises(ServiceError, match="infinite or no numbers: serve another checkpoint") as raised:
        extraction.extract([preprocess_crop(draw_crop(seed), CONFIG) for seed in range(2)])
    assert raised.value.status == 500
