"""One random value for each crop of a batch."""

import torch
from torch import Generator, Tensor


def symmetric(n: int, largest: float, random: Generator) -> Tensor:
    """Uniform in [-largest, largest], float32 [n]."""
    return (2 * torch.rand(n, generator=random) - 1) * largest


def factors(n: int, channels: int, largest_logarithm: float, random: Generator) -> Tensor:
    """Around 1, their logarithms uniform in [-largest_logarithm, largest_logarithm]: float32 [n, channels, 1, 1]."""
    exponents = (2 * torch.rand(n, channels, 1, 1, generator=random) - 1) * largest_logarithm
    return exponents.exp()


def choose(n: int, share: float, random: Generator) -> Tensor:
    """Each with the probability `share`: bool [n]."""
    return torch.rand(n, generator=random) < share
