"""The focal-weighted matching loss of the paper (Liao & Shao 2020, Eq. (1))."""

import torch
from torch import Tensor
from torch.nn import functional


def focal_matching_loss(logits: Tensor, targets: Tensor, included: Tensor, gamma: float = 2.0) -> Tensor:
    """Focal-weighted binary cross-entropy, Liao & Shao 2020, Eq. (1), with the focal weight of Lin et al. 2017.

    Every crop is scored against every class of the memory: the same person or not. Pairs that are already told apart
    weigh (1 - p_t)^gamma, so the many easy negatives do not drown the rest.

    Args:
        logits: float [n, c].
        targets: [n, c], 1 where crop and class are the same person, else 0.
        included: bool [n, c], False for pairs that do not count.
        gamma: 2 in the paper; 0 is the plain cross-entropy.

    Returns:
        A scalar: summed over the classes, as the authors' code does, averaged over the crops. The weight is no constant
        to the gradient, in Eq. (1) as in the authors' code.
    """
    targets = targets.to(logits.dtype)
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    probabilities = logits.sigmoid()
    true_probabilities = torch.where(targets > 0.5, probabilities, 1 - probabilities)
    return ((1 - true_probabilities) ** gamma * losses * included).sum(dim=1).mean()
