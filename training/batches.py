"""Which crops go into a batch."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor


def balanced_batches(
    persons: Tensor, persons_per_batch: int, crops_per_person: int, random: Generator
) -> Iterator[Tensor]:
    """Endless batches of crop numbers, int64 [persons_per_batch * crops_per_person].

    Everybody has a turn before anybody has a second one. Crops of a person are drawn without repetition where
    there are enough of them.

    Args:
        persons: int64 [n], the person of every crop, numbered from 0 without gaps.
        persons_per_batch: at most the number of people.
        crops_per_person: of each person in a batch.
        random: draws the order.
    """
    crops_of = [torch.nonzero(persons == person).flatten() for person in range(int(persons.max()) + 1)]
    if persons_per_batch > len(crops_of):
        raise ValueError(f"persons_per_batch is {persons_per_batch}, there are only {len(crops_of)} people")
    while True:
        order = torch.randperm(len(crops_of), generator=random).tolist()
        for start in range(0, len(order) - persons_per_batch + 1, persons_per_batch):
            chosen = order[start : start + persons_per_batch]
            yield torch.cat([_draw(crops_of[person], crops_per_person, random) for person in chosen])


def _draw(crops: Tensor, count: int, random: Generator) -> Tensor:
    order = torch.randperm(len(crops), generator=random)
    repeated = order.repeat(-(-count // len(crops)))
    return crops[repeated[:count]]
