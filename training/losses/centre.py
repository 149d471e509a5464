"""The centre loss (Wen et al., ECCV 2016), in Liao & Shao 2020, Table 2."""

import torch
from torch import Tensor


def centre_loss(features: Tensor, centres: Tensor, classes: Tensor) -> Tensor:
    """Half the squared distance of features [n, c] to the centres [k, c] of their classes int64 [n], averaged.

    Wen et al. 2016, Eq. (2), which sums over the batch. No gradient goes to the centres: `move_centres` moves them.
    """
    return 0.5 * (features - centres.detach()[classes]).square().sum(dim=1).mean()


@torch.no_grad()
def move_centres(centres: Tensor, features: Tensor, classes: Tensor, rate: float) -> None:
    """Move the centres of a batch's classes towards its features, in place: Wen et al. 2016, Eq. (4), with α = `rate`.

    Each centre moves by the sum of its crops' differences over one more than their number.
    """
    differences = centres[classes] - features
    sums = torch.zeros_like(centres).index_add_(0, classes, differences)
    counts = torch.bincount(classes, minlength=len(centres)).to(centres.dtype)
    centres -= rate * sums / (1 + counts)[:, None]
