"""All random changes of a batch of crops, one after the other."""

from torch import Generator, Tensor

from training.augmentation.colors import jitter_colors
from training.augmentation.covering import cover_with_block, erase_randomly
from training.augmentation.degradation import degrade
from training.augmentation.placing import place_randomly
from training.augmentation.settings import Augmentation


def augment(crops: Tensor, size: tuple[int, int], augmentation: Augmentation, random: Generator) -> Tensor:
    """Crops [n, 3, h, w] of any dtype as changed float32 crops [n, 3, *size]."""
    placed = place_randomly(crops.float(), size, augmentation.placing, random)
    colored = jitter_colors(placed, augmentation.colors, random)
    degraded = degrade(colored, augmentation.degradation, random)
    covering = augmentation.covering
    covered = cover_with_block(degraded, covering.block_share, covering.block_size, random)
    return erase_randomly(covered, covering, random)
