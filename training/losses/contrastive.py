"""A contrastive loss within a batch: an aid where training starts from random weights."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.ranges import check_range


@dataclass(frozen=True, slots=True)
class ContrastiveSettings:
    """An auxiliary loss on the backbone's features, averaged in horizontal stripes.

    The paper has none: it starts from ImageNet weights, where QAConv alone learns at once.

    Attributes:
        weight: beside the objective's loss; 0 for none.
        temperature: see `contrastive_loss`.
        num_stripes: 4 for head, torso, thighs and legs.
    """

    weight: float = 0.0
    temperature: float = 0.1
    num_stripes: int = 4

    def __post_init__(self) -> None:
        check_range(self, "weight", least=0)
        check_range(self, "temperature", above=0)
        check_range(self, "num_stripes", least=1)


def stripe_contrastive_loss(features: Tensor, persons: Tensor, settings: ContrastiveSettings) -> Tensor:
    """`contrastive_loss` of backbone features [n, c, h, w], averaged in stripes: a scalar."""
    stripes = functional.adaptive_avg_pool2d(features.float(), (settings.num_stripes, 1)).flatten(1)
    return contrastive_loss(stripes, persons, settings.temperature)


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
    is_self = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    logits = (unit @ unit.T / temperature).masked_fill(is_self, float("-inf"))
    is_same = (persons[:, None] == persons[None, :]) & ~is_self
    log_shares = logits.log_softmax(dim=1).masked_fill(~is_same, 0.0)
    return -(log_shares.sum(dim=1) / is_same.sum(dim=1).clamp(min=1)).mean()
