"""From crops to feature maps: backbone, neck, and unit length at every location."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from model.backbone import build_backbone
from model.config import ModelConfig
from model.preprocessing import normalise_crops


class FeatureExtractor(nn.Module):
    """The network of Liao & Shao 2020, Section 5.1: a truncated ResNet and a convolution to d channels.

    The paper's neck is a 1×1 convolution; the authors' later code has a 3×3 one with batch normalisation. Both load.
    """

    def __init__(self, config: ModelConfig, *, imagenet_weights: bool = False) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(
            config.backbone, config.final_layer, config.block_normalisation, imagenet_weights=imagenet_weights
        )
        self.neck = _build_neck(config, self.backbone.out_channels)

    def forward(self, crops: Tensor) -> Tensor:
        """Feature maps of crops.

        Args:
            crops: [n, 3, input_height, input_width], pixel values of 0 to 255, any dtype.

        Returns:
            float32 [n, d, h, w], ℓ2-normalised over d at every location.
        """
        features = self.neck(self.backbone(normalise_crops(crops, self.config)))
        return functional.normalize(features.float(), dim=1)


def _build_neck(config: ModelConfig, in_channels: int) -> nn.Sequential:
    size = config.neck_kernel_size
    convolution = nn.Conv2d(in_channels, config.channels, size, padding=size // 2, bias=False)
    layers: OrderedDict[str, nn.Module] = OrderedDict(convolution=convolution)
    if config.neck_batch_norm:
        layers["batch_norm"] = nn.BatchNorm2d(config.channels)
    return nn.Sequential(layers)
