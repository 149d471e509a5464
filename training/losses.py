"""What training minimises."""

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
        A scalar: summed over the classes, as the authors' code does, averaged over the crops.
    """
    targets = targets.to(logits.dtype)
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    # The weight is a constant to the gradient, as in the authors' code.
    probabilities = logits.detach().sigmoid()
    true_probabilities = torch.where(targets > 0.5, probabilities, 1 - probabilities)
    return ((1 - true_probabilities) ** gamma * losses * included).sum(dim=1).mean()


def contrastive_loss(embeddings: Tensor, persons: Tensor, temperature: float = 0.1) -> Tensor:
    """Supervised contrastive loss within a batch (Khosla et al. 2020, the form with the sum outside the logarithm).

    An aid where training starts from random weights: there the matching loss alone hardly moves the backbone at first.

    Args:
        embeddings: float [n, d]; standardised over the batch and normalised here.
        persons: int64 [n]; everybody should be there at least twice.
        temperature: of the softmax over the other crops of the batch.

    Returns:
        A scalar; about log(n) for random embeddings.
    """
    standard = functional.batch_norm(embeddings, None, None, training=True)
    unit = functional.normalize(standard, dim=1)
    is_self = torch.eye(len(unit), dtype=torch.bool)
    logits = (unit @ unit.T / temperature).masked_fill(is_self, float("-inf"))
    is_same = (persons[:, None] == persons[None, :]) & ~is_self
    log_shares = logits.log_softmax(dim=1).masked_fill(~is_same, 0.0)
    return -(log_shares.sum(dim=1) / is_same.sum(dim=1).clamp(min=1)).mean()
