"""The hard triplet loss on matching scores (Liao & Shao, CVPR 2022; the mining of Hermans et al. 2017)."""

from typing import NamedTuple

import torch
from torch import Tensor

from training.losses.pair_labels import PairLabels


class HardestPairs(NamedTuple):
    """Of each crop that has both: its least similar right partner and its most similar wrong one, float [m] each."""

    same: Tensor
    different: Tensor


def hard_triplet_loss(logits: Tensor, pairs: PairLabels, margin: float) -> Tensor:
    """How far every crop's hardest wrong partner comes within `margin` of its hardest right one.

    Args:
        logits: float [n, n], larger is more alike.
        pairs: of the same crops.
        margin: in units of the logits; 16 in the authors' code.

    Returns:
        A scalar, averaged over the crops that have a right and a wrong partner; zero if none has.
    """
    hardest = hardest_pairs(logits, pairs)
    violations = (margin + hardest.different - hardest.same).relu()
    return violations.sum() / max(1, len(violations))


def hardest_pairs(logits: Tensor, pairs: PairLabels) -> HardestPairs:
    """The hardest pairs of each row of logits [n, n]."""
    has_both = pairs.is_same.any(dim=1) & pairs.is_different.any(dim=1)
    same = logits.masked_fill(~pairs.is_same, torch.inf).amin(dim=1)
    different = logits.masked_fill(~pairs.is_different, -torch.inf).amax(dim=1)
    return HardestPairs(same[has_both], different[has_both])
