"""The network in training: one forward pass gives the backbone's features and the feature maps."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.feature_extractor import FeatureExtractor


class NetworkOutputs(NamedTuple):
    """Of a batch: backbone features [n, c, h, w] and feature maps float32 [n, d, h, w], ℓ2-normalised over d.

    `product_dtype` is the number format in which maps are multiplied with each other: that of the network's training.
    """

    features: Tensor
    maps: Tensor
    product_dtype: torch.dtype = torch.float32


class TrainedNetwork(nn.Module):
    """A feature extractor that also gives what its backbone gave; one module, as data-parallel training needs."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, crops: Tensor) -> NetworkOutputs:
        """Outputs for crops [n, 3, input_height, input_width] with values of 0 to 255."""
        features: list[Tensor] = []
        handle = self.extractor.backbone.register_forward_hook(lambda _module, _inputs, output: features.append(output))
        try:
            maps: Tensor = self.extractor(crops)
        finally:
            handle.remove()
        return NetworkOutputs(features[0], maps)
