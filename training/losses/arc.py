"""The arc loss: an additive angular margin (Deng et al., CVPR 2019), in Liao & Shao 2020, Table 2."""

from math import pi

import torch
from torch import Tensor
from torch.nn import functional


def arc_loss(features: Tensor, class_weights: Tensor, classes: Tensor, margin: float, scale: float) -> Tensor:
    """Cross-entropy of scaled cosines, the angle to a crop's own class widened by `margin`.

    Deng et al. 2019, Eq. (3). Their code goes on linearly where the widened angle would pass π, where the cosine would
    rise again; here the widened angle stops at π. Such a crop has no gradient from its own class, only from the others.

    Args:
        features: float [n, c], of any length.
        class_weights: float [k, c], of any length.
        classes: int64 [n].
        margin: radians; 0.5 in their paper.
        scale: 64 in their paper.

    Returns:
        A scalar, averaged over the crops.
    """
    cosines = functional.normalize(features.float(), dim=1) @ functional.normalize(class_weights.float(), dim=1).T
    own = cosines.gather(1, classes[:, None])
    # The derivative of the angle has no bound at ±1.
    angles = own.clamp(-1 + 1e-6, 1 - 1e-6).acos()
    widened = torch.cos((angles + margin).clamp(max=pi))
    return functional.cross_entropy(scale * cosines.scatter(1, classes[:, None], widened), classes)
