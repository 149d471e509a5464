"""Batches of random crops, each crop once an epoch: as the paper trains."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from training.ranges import check_range


@dataclass(frozen=True, slots=True)
class ShuffledSampling:
    """Random crops; 32 in a batch is the paper's."""

    crops_per_batch: int = 32

    def __post_init__(self) -> None:
        check_range(self, "crops_per_batch", least=1)


def shuffled_batches(num_crops: int, crops_per_batch: int, random: Generator) -> Iterator[Tensor]:
    """Endless batches of crop numbers int64 [crops_per_batch]; what is left over of a round is in no batch of it.

    Raises:
        ValueError: there are fewer crops than a batch has.
    """
    if num_crops < crops_per_batch:
        raise ValueError(f"crops_per_batch is {crops_per_batch}, there are only {num_crops} crops")
    while True:
        order = torch.randperm(num_crops, generator=random)
        yield from order[: num_crops // crops_per_batch * crops_per_batch].split(crops_per_batch)
