"""Flip, shift, zoom and stretch."""

import torch
from torch import Generator, Tensor
from torch.nn import functional

from training.augmentation.random_values import choose, symmetric
from training.augmentation.settings import Placing


def place_randomly(crops: Tensor, size: tuple[int, int], placing: Placing, random: Generator) -> Tensor:
    """Flip, shift, zoom and stretch, while resizing to `size` (h, w); the border's pixels fill what is uncovered."""
    n = len(crops)
    zoom = 1 + symmetric(n, placing.zoom, random)
    stretch = symmetric(n, placing.stretch / 2, random).exp()
    mirror = 1 - 2 * choose(n, placing.flip_share, random).float()
    affine = torch.zeros(n, 2, 3)
    affine[:, 0, 0], affine[:, 1, 1] = zoom * mirror * stretch, zoom / stretch
    # The grid spans 2, from -1 to 1.
    affine[:, 0, 2] = symmetric(n, 2 * placing.shift, random)
    affine[:, 1, 2] = symmetric(n, 2 * placing.shift, random)
    grid = functional.affine_grid(affine.to(crops.device), [n, 3, *size], align_corners=False)
    return functional.grid_sample(crops, grid, padding_mode="border", align_corners=False)
