"""What lens, sensor and compression take away."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional

from training.augmentation.jpeg import compress
from training.augmentation.random_values import choose
from training.augmentation.settings import Degradation

_BEST_JPEG_QUALITY = 90
_Change = Callable[[Tensor, Generator], Tensor]


def degrade(crops: Tensor, degradation: Degradation, random: Generator) -> Tensor:
    """Low resolution, blur, noise and compression, in this order, each on a share of the crops."""
    changed = crops.clone()
    for row in torch.nonzero(choose(len(crops), degradation.small_share, random)).flatten().tolist():
        changed[row] = _shrink(changed[row : row + 1], degradation.smallest, random)[0]
    _change_share(changed, degradation.blur_share, random, _blur)
    _change_share(changed, degradation.noise_share, random, lambda some, _: _add_noise(some, degradation.noise, random))
    worst = degradation.worst_jpeg_quality

    def compress_some(some: Tensor, random: Generator) -> Tensor:
        quality = worst + (_BEST_JPEG_QUALITY - worst) * torch.rand(len(some), generator=random)
        return compress(some, quality)

    _change_share(changed, degradation.jpeg_share, random, compress_some)
    return changed


def _shrink(crop: Tensor, smallest: float, random: Generator) -> Tensor:
    """A crop [1, 3, h, w] made smaller by averaging, and large again by interpolating."""
    share = smallest + (1 - smallest) * float(torch.rand((), generator=random))
    size = [max(1, round(side * share)) for side in crop.shape[2:]]
    small = functional.interpolate(crop, size, mode="bilinear", antialias=True)
    return functional.interpolate(small, crop.shape[2:], mode="bilinear", align_corners=False)


def _change_share(crops: Tensor, share: float, random: Generator, change: _Change) -> None:
    """Change some of the crops in place."""
    rows = torch.nonzero(choose(len(crops), share, random)).flatten().to(crops.device)
    if len(rows):
        crops[rows] = change(crops[rows], random)


def _blur(crops: Tensor, random: Generator) -> Tensor:
    blurred = functional.pad(crops, (2, 2, 2, 2), mode="replicate")
    # Two neighbours averaged four times are weighted 1, 4, 6, 4, 1; several times as fast as a convolution.
    for _ in range(4):
        blurred = (blurred[:, :, 1:] + blurred[:, :, :-1]) / 2
        blurred = (blurred[:, :, :, 1:] + blurred[:, :, :, :-1]) / 2
    strength = torch.rand(len(crops), 1, 1, 1, generator=random).to(crops.device)
    return crops.lerp(blurred, strength)


def _add_noise(crops: Tensor, largest: float, random: Generator) -> Tensor:
    deviation = largest * torch.rand(len(crops), 1, 1, 1, generator=random)
    noise = torch.randn(crops.shape, generator=random) * deviation
    return (crops + noise.to(crops.device)).clamp(0, 255)
