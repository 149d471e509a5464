"""Random block and random erasing."""

import torch
from torch import Generator, Tensor

from model.config import IMAGENET_MEAN
from training.augmentation.random_values import choose
from training.augmentation.settings import Covering


def cover_with_block(crops: Tensor, share: float, largest: float, random: Generator) -> Tensor:
    """Random block: a white square of at most `largest` times the width, anywhere inside, on a share of the crops.

    Liao & Shao 2020, Section 5.1.
    """
    n, _, height, width = crops.shape
    side = torch.rand(n, generator=random) * largest * width
    top = torch.rand(n, generator=random) * (height - side)
    left = torch.rand(n, generator=random) * (width - side)
    block = _rectangles(top, left, side, side, (height, width)) & choose(n, share, random)[:, None, None, None]
    return crops.masked_fill(block.to(crops.device), 255.0)


def erase_randomly(crops: Tensor, covering: Covering, random: Generator) -> Tensor:
    """Random erasing: a rectangle of random area and shape, filled, on a share of the crops.

    Zhong et al., AAAI 2020, Algorithm 1, which draws again while the rectangle is larger than the crop; here each side
    is at most the crop's. The area is uniform, the aspect on a logarithmic scale, so that both directions are alike.
    """
    if not covering.erasing_share:
        return crops
    n, _, height, width = crops.shape
    smallest, largest = covering.erasing_smallest, covering.erasing_largest
    area = height * width * (smallest + (largest - smallest) * torch.rand(n, generator=random))
    aspect = covering.erasing_aspect ** (2 * torch.rand(n, generator=random) - 1)
    rows, columns = (area * aspect).sqrt().clamp(max=height), (area / aspect).sqrt().clamp(max=width)
    top = torch.rand(n, generator=random) * (height - rows)
    left = torch.rand(n, generator=random) * (width - columns)
    erased = _rectangles(top, left, rows, columns, (height, width))
    erased &= choose(n, covering.erasing_share, random)[:, None, None, None]
    return torch.where(erased.to(crops.device), _fill(crops, covering, random), crops)


def _fill(crops: Tensor, covering: Covering, random: Generator) -> Tensor:
    if covering.erasing_fill == "mean":
        return 255 * torch.tensor(IMAGENET_MEAN, device=crops.device).view(1, 3, 1, 1)
    # One set of random pixels serves the whole batch: nothing compares where two crops were erased alike.
    return 255 * torch.rand(crops.shape[1:], generator=random).to(crops.device)


def _rectangles(top: Tensor, left: Tensor, rows: Tensor, columns: Tensor, size: tuple[int, int]) -> Tensor:
    """Whether a pixel is in its crop's rectangle: bool [n, 1, h, w]."""
    y, x = torch.arange(size[0])[None, :], torch.arange(size[1])[None, :]
    in_rows = (y >= top[:, None]) & (y < (top + rows)[:, None])
    in_columns = (x >= left[:, None]) & (x < (left + columns)[:, None])
    return in_rows[:, None, :, None] & in_columns[:, None, None, :]
