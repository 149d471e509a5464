"""Residual networks cut off after one of their layers: the first part of the feature extractor."""

import pickle
from http.client import HTTPException

import torch
import torchvision
from torch import Tensor, nn

from model.config import BackboneName, FinalLayer

_LAYERS = ("layer1", "layer2", "layer3", "layer4")


class ImageNetWeightsUnavailable(RuntimeError):  # noqa: N818 (says what is the case)
    """The ImageNet weights were asked for and this machine cannot download them."""


class TruncatedResNet(nn.Module):
    """torchvision's ResNet up to and including `final_layer`, with the same parameter names.

    Args:
        name: the network.
        final_layer: the last layer that is kept.
        imagenet_weights: start from torchvision's ImageNet weights, downloaded to its cache.

    Raises:
        ImageNetWeightsUnavailable: they cannot be downloaded, or the file in the cache is not they.
    """

    def __init__(self, name: BackboneName, final_layer: FinalLayer, *, imagenet_weights: bool = False) -> None:
        super().__init__()
        whole = _build_resnet(name, imagenet_weights)
        kept = _LAYERS[: _LAYERS.index(final_layer) + 1]
        for child in ("conv1", "bn1", "relu", "maxpool", *kept):
            self.add_module(child, whole.get_submodule(child))
        self.out_channels = _out_channels(whole.get_submodule(final_layer))

    def forward(self, crops: Tensor) -> Tensor:
        """Normalised crops [n, 3, H, W] to [n, out_channels, H/stride, W/stride]."""
        features = crops
        for layer in self.children():
            features = layer(features)
        return features


def _build_resnet(name: BackboneName, imagenet_weights: bool) -> nn.Module:
    weights = "IMAGENET1K_V1" if imagenet_weights else None
    try:
        network: nn.Module = torchvision.models.get_model(name, weights=weights)
    except (OSError, HTTPException, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ImageNetWeightsUnavailable(
            f"the ImageNet weights of {name} could not be downloaded, or not be read from the cache "
            f"{torch.hub.get_dir()}/checkpoints ({error}): put torchvision's file there, or train from scratch"
        ) from error
    return network


def _out_channels(layer: nn.Module) -> int:
    convolutions = [module for module in layer.modules() if isinstance(module, nn.Conv2d)]
    return max(convolution.out_channels for convolution in convolutions)
