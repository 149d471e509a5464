"""Networks cut off after one of their layers: the first part of the feature extractor."""

from collections.abc import Iterable

import torch
import torchvision
from torch import Tensor, nn

from model.config import BackboneName, BlockNormalisation, FinalLayer
from model.efficientnet_lite import EfficientNetLite
from model.imagenet_weights import load_packaged_weights, load_torchvision_weights, takes_package

_LAYERS = ("layer1", "layer2", "layer3", "layer4")
# Deep layers tell things apart by what instance normalisation would take away (Pan et al., ECCV 2018, Section 3.2).
_LAYERS_WITH_INSTANCE_NORM = ("layer1", "layer2", "layer3")
# The blocks up to a stride of 8: there are three times as many as in a ResNet.
_STAGES_WITH_INSTANCE_NORM = ("stage1", "stage2", "stage3")
_MOBILENET_PARTS_WITH_INSTANCE_NORM = range(1, 7)
# How many of MobileNetV2's parts come before the next halving of the map, and the channels that they end in.
_MOBILENET_PARTS = {"layer2": (7, 32), "layer3": (14, 96), "layer4": (18, 320)}


def build_backbone(
    name: BackboneName,
    final_layer: FinalLayer,
    block_normalisation: BlockNormalisation = "batch",
    *,
    imagenet_weights: bool = False,
) -> "TruncatedResNet | TruncatedMobileNet | EfficientNetLite":
    """A network up to `final_layer`, from normalised crops [n, 3, H, W] to [n, out_channels, H/stride, W/stride].

    Args:
        name: see `ModelConfig`.
        final_layer: likewise.
        block_normalisation: likewise.
        imagenet_weights: start from ImageNet weights: of residual networks torchvision's, downloaded to its cache; of
            MobileNetV2 the same where they are in the cache, else an installed package's; of EfficientNet-Lite a
            package's.

    Raises:
        ImageNetWeightsUnavailable: they cannot be had; says how to get them.
    """
    if name.startswith("resnet"):
        return TruncatedResNet(name, final_layer, block_normalisation, imagenet_weights=imagenet_weights)
    if name == "mobilenet_v2":
        return TruncatedMobileNet(final_layer, block_normalisation, imagenet_weights=imagenet_weights)
    network = EfficientNetLite(name, final_layer)
    if imagenet_weights:
        load_packaged_weights(network, name)
    if block_normalisation == "instance_batch":
        for stage in _STAGES_WITH_INSTANCE_NORM:
            _normalise_instances(network.get_submodule(stage).children())
    return network


class TruncatedResNet(nn.Module):
    """torchvision's ResNet up to and including `final_layer`, with the same parameter names; see `build_backbone`."""

    def __init__(
        self,
        name: BackboneName,
        final_layer: FinalLayer,
        block_normalisation: BlockNormalisation = "batch",
        *,
        imagenet_weights: bool = False,
    ) -> None:
        super().__init__()
        whole = torchvision.models.get_model(name, weights=None)
        if imagenet_weights:
            load_torchvision_weights(whole, name)
        kept = _LAYERS[: _LAYERS.index(final_layer) + 1]
        for child in ("conv1", "bn1", "relu", "maxpool", *kept):
            self.add_module(child, whole.get_submodule(child))
        self.out_channels = _out_channels(whole.get_submodule(final_layer))
        if block_normalisation == "instance_batch":
            for layer in set(kept) & set(_LAYERS_WITH_INSTANCE_NORM):
                _normalise_instances(self.get_submodule(layer).children())

    def forward(self, crops: Tensor) -> Tensor:
        """Normalised crops [n, 3, H, W] to [n, out_channels, H/stride, W/stride]."""
        features = crops
        for layer in self.children():
            features = layer(features)
        return features


class TruncatedMobileNet(nn.Sequential):
    """torchvision's MobileNetV2 up to the last block of `final_layer`'s stride; see `build_backbone`."""

    def __init__(
        self, final_layer: FinalLayer, block_normalisation: BlockNormalisation, *, imagenet_weights: bool = False
    ) -> None:
        network = torchvision.models.mobilenet_v2(weights=None)
        if imagenet_weights and takes_package("mobilenet_v2"):
            load_packaged_weights(network.features, "mobilenet_v2")
        elif imagenet_weights:
            load_torchvision_weights(network, "mobilenet_v2")
        num_parts, self.out_channels = _MOBILENET_PARTS[final_layer]
        super().__init__(*network.features[:num_parts])
        if block_normalisation == "instance_batch":
            _normalise_instances(self[part] for part in _MOBILENET_PARTS_WITH_INSTANCE_NORM)


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
        # It answers in PyTorch's own layout, and all that follows would go on in it, at half the speed.
        instance = self.instance(features[:, :half]).contiguous(memory_format=torch.channels_last)
        return torch.cat((instance, self.batch(features[:, half:])), dim=1)


def _normalise_instances(blocks: Iterable[nn.Module]) -> None:
    """In each block replace the batch normalisation after the first convolution."""
    for block in blocks:
        path, replaced = next((path, part) for path, part in block.named_modules() if isinstance(part, nn.BatchNorm2d))
        parent, _, name = path.rpartition(".")
        setattr(block.get_submodule(parent), name, InstanceBatchNorm(replaced))


def _out_channels(layer: nn.Module) -> int:
    convolutions = [module for module in layer.modules() if isinstance(module, nn.Conv2d)]
    return max(convolution.out_channels for convolution in convolutions)
