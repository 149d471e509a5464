"""Residual networks cut off after one of their layers: the first part of the feature extractor."""

import pickle
from http.client import HTTPException

import torch
import torchvision
from torch import Tensor, nn

from model.config import BackboneName, BlockNormalisation, FinalLayer

_LAYERS = ("layer1", "layer2", "layer3", "layer4")
# Deep layers tell things apart by what instance normalisation would take away (Pan et al., ECCV 2018, Section 3.2).
_LAYERS_WITH_INSTANCE_NORM = ("layer1", "layer2", "layer3")


class ImageNetWeightsUnavailable(RuntimeError):  # noqa: N818 (says what is the case)
    """The ImageNet weights were asked for and this machine cannot download them."""


class TruncatedResNet(nn.Module):
    """torchvision's ResNet up to and including `final_layer`, with the same parameter names.

    Args:
        name: the network.
        final_layer: the last layer that is kept.
        block_normalisation: see `ModelConfig`.
        imagenet_weights: start from torchvision's ImageNet weights, downloaded to its cache.

    Raises:
        ImageNetWeightsUnavailable: they cannot be downloaded, or the file in the cache is not they.
    """

    def __init__(
        self,
        name: BackboneName,
        final_layer: FinalLayer,
        block_normalisation: BlockNormalisation = "batch",
        *,
        imagenet_weights: bool = False,
    ) -> None:
        super().__init__()
        whole = _build_resnet(name, imagenet_weights)
        kept = _LAYERS[: _LAYERS.index(final_layer) + 1]
        for child in ("conv1", "bn1", "relu", "maxpool", *kept):
            self.add_module(child, whole.get_submodule(child))
        self.out_channels = _out_channels(whole.get_submodule(final_layer))
        if block_normalisation == "instance_batch":
            for layer in set(kept) & set(_LAYERS_WITH_INSTANCE_NORM):
                for block in self.get_submodule(layer).children():
                    block.bn1 = InstanceBatchNorm(block.get_submodule("bn1"))

    def forward(self, crops: Tensor) -> Tensor:
        """Normalised crops [n, 3, H, W] to [n, out_channels, H/stride, W/stride]."""
        features = crops
        for layer in self.children():
            features = layer(features)
        return features


class InstanceBatchNorm(nn.Module):
    """Instance normalisation of the first half of the channels, batch normalisation of the others (IBN-a)."""

    def __init__(self, replaced: nn.Module) -> None:
        super().__init__()
        assert isinstance(replaced, nn.BatchNorm2d)
        half = replaced.num_features // 2
        self.instance = nn.InstanceNorm2d(half, affine=True)
        self.batch = nn.BatchNorm2d(replaced.num_features - half)
        # What was trained, of ImageNet for one, is kept as far as it has a place.
        with torch.no_grad():
            for name, values in replaced.state_dict().items():
                is_for_channels = values.dim() > 0
                self.batch.state_dict()[name].copy_(values[half:] if is_for_channels else values)
                if name in ("weight", "bias"):
                    self.instance.state_dict()[name].copy_(values[:half])

    def forward(self, features: Tensor) -> Tensor:
        """Any [n, channels, h, w] to the same shape."""
        half = self.instance.num_features
        return torch.cat((self.instance(features[:, :half]), self.batch(features[:, half:])), dim=1)


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
