"""Random changes of training crops, one for each crop of a batch, on tensors.

All take float32 [n, 3, h, w] with values of 0 to 255 and a generator, and return the same shape.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How strongly crops are changed.

    Attributes:
        flip_share: how many are mirrored.
        shift: at most how far they are moved, as a share of height and width.
        zoom: at most how much they are enlarged or shrunk, as a share.
        gain, gamma, contrast, saturation, cast: at most how far each is from 1, on a logarithmic scale.
        block_share: how many get a white block.
        block_size: the block's side at most, as a share of the width (0.8: Liao & Shao 2020, Section 5.1).
    """

    flip_share: float = 0.5
    shift: float = 0.05
    zoom: float = 0.10
    gain: float = 0.35
    gamma: float = 0.25
    contrast: float = 0.2
    saturation: float = 0.35
    cast: float = 0.12
    block_share: float = 0.5
    block_size: float = 0.8


def augment(crops: Tensor, size: tuple[int, int], augmentation: Augmentation, random: Generator) -> Tensor:
    """Crops [n, 3, h, w] of any dtype as changed float32 crops [n, 3, *size]."""
    placed = place_randomly(crops.float(), size, augmentation, random)
    colored = jitter_colors(placed, augmentation, random)
    return cover_with_block(colored, augmentation.block_share, augmentation.block_size, random)


def place_randomly(crops: Tensor, size: tuple[int, int], augmentation: Augmentation, random: Generator) -> Tensor:
    """Flip, shift and zoom, while resizing to `size` (h, w); the border's pixels fill what is uncovered."""
    n = len(crops)
    zoom = 1 + _symmetric(n, augmentation.zoom, random)
    mirror = 1 - 2 * (torch.rand(n, generator=random) < augmentation.flip_share).float()
    affine = torch.zeros(n, 2, 3)
    affine[:, 0, 0], affine[:, 1, 1] = zoom * mirror, zoom
    # The grid spans 2, from -1 to 1.
    affine[:, 0, 2] = _symmetric(n, 2 * augmentation.shift, random)
    affine[:, 1, 2] = _symmetric(n, 2 * augmentation.shift, random)
    grid = functional.affine_grid(affine, [n, 3, *size], align_corners=False)
    return functional.grid_sample(crops, grid, padding_mode="border", align_corners=False)


def jitter_colors(crops: Tensor, augmentation: Augmentation, random: Generator) -> Tensor:
    """Another light and another camera: saturation, cast, gain, gamma and contrast, in this order."""
    n = len(crops)
    grey = crops.mean(dim=1, keepdim=True)
    changed = grey + (crops - grey) * _factors(n, 1, augmentation.saturation, random)
    changed = changed * (_factors(n, 3, augmentation.cast, random) * _factors(n, 1, augmentation.gain, random))
    changed = 255 * (changed / 255).clamp(1e-4, 1) ** _factors(n, 1, augmentation.gamma, random)
    mean = changed.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + (changed - mean) * _factors(n, 1, augmentation.contrast, random)).clamp(0, 255)


def cover_with_block(crops: Tensor, share: float, largest: float, random: Generator) -> Tensor:
    """Random block: a white square of at most `largest` times the width, anywhere inside, on a share of the crops."""
    n, _, height, width = crops.shape
    side = torch.rand(n, generator=random) * largest * width
    top = torch.rand(n, generator=random) * (height - side)
    left = torch.rand(n, generator=random) * (width - side)
    chosen = torch.rand(n, generator=random) < share
    rows, columns = torch.arange(height)[None, :], torch.arange(width)[None, :]
    in_rows = (rows >= top[:, None]) & (rows < (top + side)[:, None])
    in_columns = (columns >= left[:, None]) & (columns < (left + side)[:, None])
    block = in_rows[:, None, :, None] & in_columns[:, None, None, :] & chosen[:, None, None, None]
    return crops.masked_fill(block, 255.0)


def _symmetric(n: int, largest: float, random: Generator) -> Tensor:
    return (2 * torch.rand(n, generator=random) - 1) * largest


def _factors(n: int, channels: int, largest_logarithm: float, random: Generator) -> Tensor:
    exponents = (2 * torch.rand(n, channels, 1, 1, generator=random) - 1) * largest_logarithm
    return exponents.exp()
