"""Which pairs of a batch show one person."""

from typing import NamedTuple

import torch
from torch import Tensor


class PairLabels(NamedTuple):
    """Bool [n, n] each: pairs of two crops of one person, and pairs of two people; a crop with itself is neither."""

    is_same: Tensor
    is_different: Tensor


def label_pairs(persons: Tensor) -> PairLabels:
    """The labels of all ordered pairs of crops with persons int64 [n]."""
    is_person = persons[:, None] == persons[None, :]
    is_self = torch.eye(len(persons), dtype=torch.bool, device=persons.device)
    return PairLabels(is_person & ~is_self, ~is_person)
