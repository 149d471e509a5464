"""Batches of some people with some crops each."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from training.ranges import check_range


@dataclass(frozen=True, slots=True)
class BalancedSampling:
    """Random people, with so many crops each; an epoch is everybody once."""

    persons_per_batch: int = 16
    crops_per_person: int = 4

    def __post_init__(self) -> None:
        check_range(self, "persons_per_batch", "crops_per_person", least=1)

    @property
    def crops_per_batch(self) -> int:
        """Crops of a batch."""
        return self.persons_per_batch * self.crops_per_person


def balanced_batches(
    persons: Tensor, persons_per_batch: int, crops_per_person: int, random: Generator
) -> Iterator[Tensor]:
    """Endless batches of crop numbers, int64 [persons_per_batch * crops_per_person].

    Everybody has a turn before anybody has a second one, but for those who do not fill a last batch of their round and
    wait for the next. Crops of a person are drawn without repetition where there are enough of them.

    Args:
        persons: int64 [n], the person of every crop, numbered from 0 without gaps.
        persons_per_batch: at most the number of people.
        crops_per_person: of each person in a batch.
        random: draws the order.
    """
    crops_of = group_by_person(persons)
    check_number_of_people(persons_per_batch, len(crops_of))
    while True:
        order = torch.randperm(len(crops_of), generator=random).tolist()
        for start in range(0, len(order) - persons_per_batch + 1, persons_per_batch):
            chosen = order[start : start + persons_per_batch]
            yield torch.cat([draw_crops(crops_of[person], crops_per_person, random) for person in chosen])


def check_number_of_people(persons_per_batch: int, num_people: int) -> None:
    """Raises ValueError if a batch wants more people than there are."""
    if persons_per_batch > num_people:
        raise ValueError(f"persons_per_batch is {persons_per_batch}, there are only {num_people} people")


def group_by_person(persons: Tensor) -> list[Tensor]:
    """The crop numbers of every person, int64, of persons int64 [n] numbered from 0 without gaps."""
    order = persons.argsort(stable=True)
    return list(order.split(torch.bincount(persons).tolist()))


def draw_crops(crops: Tensor, count: int, random: Generator) -> Tensor:
    """So many of one person's crops: repeated only where there are too few."""
    order = torch.randperm(len(crops), generator=random)
    repeated = order.repeat(-(-count // len(crops)))
    return crops[repeated[:count]]
