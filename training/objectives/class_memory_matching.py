"""The paper's objective: a batch against the class memory (Liao & Shao 2020, Sections 3.3 and 3.4)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn import functional

from model.checkpoint import Checkpoint
from model.query_adaptive_convolution import MatchingHead
from training.class_memory import ClassMemory, score_against_classes
from training.losses.focal_matching import focal_matching_loss
from training.network_outputs import NetworkOutputs
from training.objectives.objective import BatchLoss, LossPart, Objective
from training.pooled_features import pool
from training.ranges import check_range


@dataclass(frozen=True, slots=True)
class ClassMemoryMatching:
    """Class memory and focal loss.

    Attributes:
        compares: feature maps by QAConv, or pooled features by their cosine (a line of the paper's Table 2).
        gamma: of the focal loss.
        momentum: of the memory: 0 replaces (the paper), 0.5 is the moving average it is compared with.
        takes_batch: after a batch was scored (the paper), or before. Before, from scratch: else positives are an epoch
            old. A crop is then not scored against its own map, whose similarities are all 1: neither the loss nor the
            head's batch normalisation sees that pair.
        classes_per_step: at most so many classes are scored in a step; 0 for all, as the paper does.
    """

    compares: Literal["maps", "pooled_features"] = "maps"
    gamma: float = 2.0
    momentum: float = 0.0
    takes_batch: Literal["after", "before"] = "after"
    classes_per_step: int = 0

    def __post_init__(self) -> None:
        check_range(self, "gamma", "classes_per_step", least=0)
        check_range(self, "momentum", least=0, below=1)
        if self.momentum and self.takes_batch == "before":
            raise ValueError(
                f"momentum is {self.momentum} and takes_batch 'before': an average that holds a crop's own map already "
                "is no class to score it against; give takes_batch 'after'"
            )


class ClassMemoryObjective(Objective):
    """A batch against the memory. Its accuracy is the share of the crops whose best class is their own."""

    def __init__(self, settings: ClassMemoryMatching, model: Checkpoint, num_classes: int) -> None:
        super().__init__()
        self.settings = settings
        self.compares_pooled = settings.compares == "pooled_features"
        config = model.config
        if self.compares_pooled:
            # A pooled feature is a map of one location, and QAConv between such maps is their cosine.
            self.head = MatchingHead(1, shared=True)
            self.kernel_size = 1
            shape = (model.extractor.backbone.out_channels, 1, 1)
        else:
            self.head = model.matcher.head
            self.kernel_size = model.matcher.kernel_size
            shape = (config.channels, config.map_height, config.map_width)
        self.memory = ClassMemory(num_classes, shape, settings.momentum)

    def forward(self, outputs: NetworkOutputs, persons: Tensor, random: Generator) -> BatchLoss:
        """See `Objective`."""
        maps = outputs.maps
        if self.compares_pooled:
            maps = functional.normalize(pool(outputs.features), dim=1)[:, :, None, None]
        before = self.settings.takes_batch == "before"
        is_own = self.memory.update(maps.detach(), persons) if before else None
        loss = self._score(maps, persons, is_own, random, outputs.product_dtype)
        if not before:
            self.memory.update(maps.detach(), persons)
        return loss

    def _score(
        self, maps: Tensor, persons: Tensor, is_own: Tensor | None, random: Generator, dtype: torch.dtype
    ) -> BatchLoss:
        """The loss against the memory as it is; `is_own`, bool [n], says whose class has the crop's own map."""
        classes = self.memory.choose_classes(persons, self.settings.classes_per_step, random)
        if len(classes) == 0:
            # The very first batch of the paper's order: there is nothing to match, and nothing to learn.
            nothing = maps.sum() * 0
            return BatchLoss(nothing, (LossPart("focal matching", nothing.detach()),), nothing.detach() * torch.nan)
        targets = persons[:, None] == classes[None, :]
        included = None if is_own is None else ~(targets & is_own[:, None])
        class_maps = self.memory.maps[classes]
        logits = score_against_classes(maps, class_maps, self.head, self.kernel_size, dtype, included=included)
        included = torch.ones_like(targets) if included is None else included
        loss = focal_matching_loss(logits, targets, included, self.settings.gamma)
        best = logits.detach().masked_fill(~included, -torch.inf).argmax(dim=1)
        can_be_right = (targets & included).any(dim=1)
        is_right = targets.gather(1, best[:, None])[can_be_right].float().mean()
        return BatchLoss(loss, (LossPart("focal matching", loss.detach()),), is_right)
