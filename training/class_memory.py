"""The class memory: a feature map of every class (Liao & Shao 2020, Section 3.3)."""

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from model.query_adaptive_convolution import MatchingHead, extract_patches
from training.pooled_similarities import PooledSimilarities


class ClassMemory(nn.Module):
    """Feature maps [c, d, h, w], one for each class, changed by each batch. No gradient flows into them.

    With momentum 0 a batch's map replaces its class's, as the paper does. With more, the memory is the moving average
    that the paper compares with: `momentum` times the old map and the rest of the new one, at unit length again at
    every location.

    Args:
        num_classes: c.
        map_shape: d, h, w.
        momentum: at least 0, below 1; 0.5 in the paper's comparison.
    """

    maps: Tensor
    is_valid: Tensor

    def __init__(self, num_classes: int, map_shape: tuple[int, int, int], momentum: float = 0.0) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("maps", torch.zeros(num_classes, *map_shape))
        self.register_buffer("is_valid", torch.zeros(num_classes, dtype=torch.bool))

    @torch.no_grad()
    def update(self, maps: Tensor, classes: Tensor) -> Tensor:
        """Take the maps [n, d, h, w] of a batch with classes [n], one after the other.

        Returns:
            bool [n]: which crops' maps are now in the memory unmixed.
        """
        unmixed: dict[int, int] = {}
        for row, label in enumerate(classes.tolist()):
            new = maps[row].to(self.maps.dtype)
            if self.momentum and self.is_valid[label]:
                mixed = self.momentum * self.maps[label] + (1 - self.momentum) * new
                self.maps[label] = functional.normalize(mixed, dim=0)
                unmixed.pop(label, None)
            else:
                self.maps[label] = new
                unmixed[label] = row
            self.is_valid[label] = True
        is_kept = torch.zeros(len(classes), dtype=torch.bool, device=maps.device)
        is_kept[list(unmixed.values())] = True
        return is_kept

    def choose_classes(self, batch_classes: Tensor, limit: int, random: Generator) -> Tensor:
        """Which classes to score a batch against: all valid ones if there are at most `limit`, or if it is 0.

        Otherwise those of the batch and random others. The paper scores all; this bounds the cost of a step.

        Returns:
            int64 class numbers, ascending, without repetition.
        """
        valid = torch.nonzero(self.is_valid).flatten()
        if limit == 0 or len(valid) <= limit:
            return valid
        own = batch_classes.unique()
        own = own[self.is_valid[own]]
        others = valid[~torch.isin(valid, own)]
        order = torch.randperm(len(others), generator=random).to(others.device)
        return torch.cat((own, others[order[: max(0, limit - len(own))]])).sort().values


def score_against_classes(
    maps: Tensor,
    class_maps: Tensor,
    head: MatchingHead,
    kernel_size: int,
    dtype: torch.dtype,
    *,
    included: Tensor | None = None,
) -> Tensor:
    """Logits [n, c] of maps [n, d, h, w] against class maps [c, d, h, w], differentiable in the maps and the head.

    Similarities are held for one map at a time. The head runs on all pairs at once: its batch normalisation is over
    them. Products of maps are computed in `dtype`. Pairs that `included`, bool [n, c], leaves out have no part in that
    normalisation, and the logit 0; None includes all.
    """
    query_maxima, class_maxima = PooledSimilarities.apply(
        extract_patches(maps.float(), kernel_size), extract_patches(class_maps, kernel_size), dtype
    )
    if included is None:
        logits: Tensor = head(query_maxima, class_maxima)
        return logits
    scored = head(query_maxima[included], class_maxima[included])
    return torch.zeros(included.shape, dtype=scored.dtype, device=scored.device).masked_scatter(included, scored)
