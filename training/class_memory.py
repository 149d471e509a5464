"""The class memory: the newest feature map of every class (Liao & Shao 2020, Section 3.3)."""

import torch
from torch import Generator, Tensor

from model.query_adaptive_convolution import MatchingHead, extract_patches
from training.pooled_similarities import PooledSimilarities


class ClassMemory:
    """Feature maps [c, d, h, w], one for each class, overwritten by each batch. No gradient flows into them."""

    def __init__(self, num_classes: int, map_shape: tuple[int, int, int]) -> None:
        self.maps = torch.zeros(num_classes, *map_shape)
        self.is_valid = torch.zeros(num_classes, dtype=torch.bool)

    def replace(self, maps: Tensor, classes: Tensor) -> Tensor:
        """Keep the maps [n, d, h, w] of a batch with classes [n]; of several of one class, the last.

        Returns:
            int64, the rows of the batch that were kept.
        """
        # Indexed assignment with repeated indices has no defined winner.
        last = {int(label): row for row, label in enumerate(classes)}
        labels = torch.tensor(list(last), dtype=torch.int64)
        rows = torch.tensor(list(last.values()), dtype=torch.int64)
        self.maps[labels] = maps.detach().to(self.maps.dtype)[rows]
        self.is_valid[labels] = True
        return rows

    def choose_classes(self, batch_classes: Tensor, limit: int, random: Generator) -> Tensor:
        """Which classes to score a batch against: all valid ones if there are at most `limit`.

        Otherwise those of the batch and random others. The paper scores all; this bounds the cost of a step.

        Returns:
            int64 class numbers, ascending, without repetition.
        """
        valid = torch.nonzero(self.is_valid).flatten()
        if len(valid) <= limit:
            return valid
        own = batch_classes.unique()
        own = own[self.is_valid[own]]
        others = valid[~torch.isin(valid, own)]
        drawn = others[torch.randperm(len(others), generator=random)[: max(0, limit - len(own))]]
        return torch.cat((own, drawn)).sort().values


def score_against_classes(maps: Tensor, class_maps: Tensor, head: MatchingHead, kernel_size: int) -> Tensor:
    """Logits [n, c] of maps [n, d, h, w] against class maps [c, d, h, w], differentiable in the maps and the head.

    Similarities are held for one map at a time. The head runs on all pairs at once: its batch normalisation is over
    them.
    """
    query_maxima, class_maxima = PooledSimilarities.apply(
        extract_patches(maps.float(), kernel_size), extract_patches(class_maps, kernel_size)
    )
    logits: Tensor = head(query_maxima, class_maxima)
    return logits
