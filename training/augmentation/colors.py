"""Another light and another camera."""

import torch
from torch import Generator, Tensor

from training.augmentation.random_values import choose, factors, symmetric
from training.augmentation.settings import Colors


def jitter_colors(crops: Tensor, colors: Colors, random: Generator) -> Tensor:
    """Saturation, hue, cast, gain, gamma and contrast, in this order."""
    n, device = len(crops), crops.device
    # Saturation, grey, hue, cast and gain are one linear map of a pixel's channels.
    mixing = _mixing(n, colors, random).to(device)
    changed = torch.einsum("nij,njhw->nihw", mixing, crops)
    changed = 255 * (changed / 255).clamp(1e-4, 1) ** factors(n, 1, colors.gamma, random).to(device)
    mean = changed.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + (changed - mean) * factors(n, 1, colors.contrast, random).to(device)).clamp(0, 255)


def _mixing(n: int, colors: Colors, random: Generator) -> Tensor:
    """What each crop's channels are multiplied by: [n, 3, 3]."""
    to_grey = torch.full((3, 3), 1 / 3)
    saturation = factors(n, 1, colors.saturation, random)[:, 0]
    saturation[choose(n, colors.grey_share, random)] = 0.0
    # What is not grey, turned around the grey axis and stretched.
    angle = symmetric(n, colors.hue, random)[:, None, None]
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / 3**0.5
    rotation = angle.cos() * (torch.eye(3) - to_grey) + angle.sin() * across
    mixing = to_grey + saturation * rotation
    return factors(n, 3, colors.cast, random)[:, :, 0] * factors(n, 1, colors.gain, random)[:, 0] * mixing
