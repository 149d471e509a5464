"""The pairwise matching loss of the authors' later work (Liao & Shao, CVPR 2022)."""

from torch import Tensor
from torch.nn import functional

from training.losses.pair_labels import PairLabels


def pairwise_matching_loss(logits: Tensor, pairs: PairLabels) -> Tensor:
    """Binary cross-entropy over all pairs of a batch: one person or two.

    Args:
        logits: float [n, n].
        pairs: of the same crops.

    Returns:
        A scalar: summed over the partners, as the authors' code does, averaged over the crops. Theirs counts each crop
        with itself too.
    """
    losses = functional.binary_cross_entropy_with_logits(logits, pairs.is_same.to(logits.dtype), reduction="none")
    is_counted = pairs.is_same | pairs.is_different
    return losses.masked_fill(~is_counted, 0.0).sum(dim=1).mean()
