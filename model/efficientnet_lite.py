"""EfficientNet-Lite (Google, 2020): EfficientNet (Tan & Le, ICML 2019) without squeeze-and-excitation, with ReLU6.

Built so that its parts come in the order of the published weights; see `model.imagenet_weights`.
"""

from collections import OrderedDict
from collections.abc import Mapping
from math import ceil

from torch import Tensor, nn

# Of Lite0: kernel size, stride of the first block, expansion, output channels, blocks.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM_CHANNELS = 32
# How much wider and deeper each is than Lite0.
_SCALING: Mapping[str, tuple[float, float]] = {
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite1": (1.0, 1.1),
    "efficientnet_lite2": (1.1, 1.2),
}
_STAGES_TO_LAYER = {"layer2": 3, "layer3": 5, "layer4": 7}


class EfficientNetLite(nn.Sequential):
    """The stem and the stages up to a stride of 8, 16 or 32 (`layer2`, `layer3`, `layer4`), without the head.

    Height and width of its input must be multiples of the stride: then TensorFlow's padding "SAME", which the weights
    were trained with, is the same for all of them.

    Args:
        name: `efficientnet_lite0`, `_lite1` or `_lite2`.
        final_layer: the last layer that is kept.
    """

    def __init__(self, name: str, final_layer: str) -> None:
        width, depth = _SCALING[name]
        channels = _STEM_CHANNELS
        parts: OrderedDict[str, nn.Module] = OrderedDict(stem=nn.Sequential(*_convolution(3, channels, 3, stride=2)))
        for number, (kernel_size, stride, expansion, base_channels, base_blocks) in enumerate(_STAGES, start=1):
            if number > _STAGES_TO_LAYER[final_layer]:
                break
            # The first and the last stage are never deeper.
            num_blocks = base_blocks if number in (1, len(_STAGES)) else ceil(depth * base_blocks)
            out_channels = _round_to_eight(width * base_channels)
            blocks = []
            for block in range(num_blocks):
                block_stride = stride if block == 0 else 1
                blocks.append(InvertedResidual(channels, out_channels, kernel_size, block_stride, expansion))
                channels = out_channels
            parts[f"stage{number}"] = nn.Sequential(*blocks)
        super().__init__(parts)
        self.out_channels = channels


class InvertedResidual(nn.Module):
    """Expansion, convolution of each channel by itself, projection; added to the input where the shapes allow it."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        layers = _convolution(in_channels, inner, 1) if expansion != 1 else []
        layers += _convolution(inner, inner, kernel_size, stride=stride, groups=inner)
        layers += _convolution(inner, out_channels, 1, is_linear=True)
        self.layers = nn.Sequential(*layers)
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, features: Tensor) -> Tensor:
        """[n, in_channels, h, w] to [n, out_channels, h/stride, w/stride]."""
        changed: Tensor = self.layers(features)
        return features + changed if self.is_residual else changed


def _convolution(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1, is_linear: bool = False
) -> list[nn.Module]:
    padding = kernel_size - stride
    layers: list[nn.Module] = []
    if padding % 2:
        # "SAME" pads more after than before.
        before, after = padding // 2, padding - padding // 2
        layers.append(nn.ZeroPad2d((before, after, before, after)))
        padding = 0
    layers += [
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),
    ]
    return layers if is_linear else [*layers, nn.ReLU6(inplace=True)]


def _round_to_eight(channels: float) -> int:
    """To the nearest multiple of eight, but never by more than a tenth down."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8
