"""What matching is trained with, as slow loops, written from the papers: no batch of pairs, one thing after the other.

Tensors are float64 scalars where gradients are wanted, so that automatic differentiation gives those of the definition.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def maxima_of_pair(first: Tensor, second: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Of two maps [d, h, w]: the best similarity of each location of the first in the second, and the other way."""
    a, b = first.flatten(1), second.flatten(1)
    table = [[(a[:, i] * b[:, j]).sum() for j in range(b.shape[1])] for i in range(a.shape[1])]
    return [_largest(row) for row in table], [_largest([row[j] for row in table]) for j in range(b.shape[1])]


def head_logits(pairs: list[tuple[list[Tensor], list[Tensor]]], head: torch.nn.Module) -> list[Tensor]:
    """BN → FC → BN in training, over all the pairs given: statistics are of these pairs (Ioffe & Szegedy 2015)."""
    values = [[*query, *gallery] for query, gallery in pairs]
    weights, fc_bias = head.fc.weight.flatten(), head.fc.bias[0]
    normalised = _normalise([value for row in values for value in row], head.bn)
    width = len(values[0])
    logits = []
    for number in range(len(values)):
        row = normalised[number * width : (number + 1) * width]
        total = fc_bias * (2 if head.shared else 1)
        for place, value in enumerate(row):
            total = total + value * weights[place % len(weights)]
        logits.append(total)
    return _normalise(logits, head.logit_bn)


def memory_loss(
    maps: Tensor,
    persons: list[int],
    memory: Tensor,
    valid: list[bool],
    head: torch.nn.Module,
    gamma: float,
    own: Sequence[int] = (),
) -> Tensor:
    """Liao & Shao 2020, Eq. (1): every map against every class seen before.

    The maps numbered in `own` are those of their classes: with their own class they are no pair.
    """
    classes = [number for number, is_valid in enumerate(valid) if is_valid]
    names = [
        (crop, number)
        for crop, person in enumerate(persons)
        for number in classes
        if not (crop in own and person == number)
    ]
    logits = head_logits([maxima_of_pair(maps[crop], memory[number]) for crop, number in names], head)
    total = torch.zeros((), dtype=maps.dtype)
    for (crop, number), logit in zip(names, logits, strict=True):
        person = persons[crop]
        p = logit.sigmoid()
        p_t = p if person == number else 1 - p
        total = total - (1 - p_t) ** gamma * p_t.log()
    return total / len(maps)


def updated_memory(
    memory: Tensor, valid: list[bool], maps: Tensor, persons: list[int], momentum: float
) -> tuple[Tensor, list[bool]]:
    """The class memory after a batch, crop after crop: replacement for momentum 0, else the moving average."""
    memory, valid = memory.clone(), list(valid)
    for one, person in zip(maps, persons, strict=True):
        new = one.clone()
        if momentum and valid[person]:
            for row in range(one.shape[1]):
                for column in range(one.shape[2]):
                    mixed = momentum * memory[person, :, row, column] + (1 - momentum) * one[:, row, column]
                    new[:, row, column] = mixed / (mixed**2).sum() ** 0.5
        memory[person] = new
        valid[person] = True
    return memory, valid


def pair_logits(maps: Tensor, head: torch.nn.Module) -> dict[tuple[int, int], Tensor]:
    """Logits of all ordered pairs of different maps, whose statistics the head takes."""
    names = [(i, j) for i in range(len(maps)) for j in range(len(maps)) if i != j]
    logits = head_logits([maxima_of_pair(maps[i], maps[j]) for i, j in names], head)
    return dict(zip(names, logits, strict=True))


def pairwise_loss(logits: dict[tuple[int, int], Tensor], persons: list[int]) -> Tensor:
    """Liao & Shao 2022: binary cross-entropy of all pairs, summed over the partners, averaged over the crops."""
    total = torch.zeros((), dtype=torch.float64)
    for (i, j), logit in logits.items():
        p = logit.sigmoid()
        total = total - (p if persons[i] == persons[j] else 1 - p).log()
    return total / len(persons)


def triplet_loss(logits: dict[tuple[int, int], Tensor], persons: list[int], margin: float) -> Tensor:
    """Each crop's hardest triplet, averaged over the crops that have one."""
    losses = []
    for i, person in enumerate(persons):
        same = [logits[i, j] for j, other in enumerate(persons) if j != i and other == person]
        different = [logits[i, j] for j, other in enumerate(persons) if other != person]
        if same and different:
            losses.append((margin + _largest(different) + _largest([-one for one in same])).clamp(min=0))
    return sum(losses, torch.zeros((), dtype=torch.float64)) / max(1, len(losses))


def nearest_people(scores: list[list[float]], centre: int, size: int) -> list[int]:
    """The centre, then the others from the most alike on (Liao & Shao 2022, Section 3.2)."""
    others = [number for number in range(len(scores)) if number != centre]
    return [centre, *sorted(others, key=lambda number: -scores[centre][number])[: size - 1]]


def _largest(values: list[Tensor]) -> Tensor:
    return values[max(range(len(values)), key=lambda place: float(values[place].detach()))]


def _normalise(values: list[Tensor], norm: torch.nn.Module) -> list[Tensor]:
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    return [(value - mean) / (variance + norm.eps) ** 0.5 * norm.weight[0] + norm.bias[0] for value in values]
