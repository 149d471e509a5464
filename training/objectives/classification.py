"""The baselines of the paper's Table 2 that classify people by their pooled features."""

from dataclasses import dataclass
from math import pi
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from training.losses.arc import arc_loss
from training.losses.centre import centre_loss, move_centres
from training.losses.softmax import softmax_loss
from training.network_outputs import NetworkOutputs
from training.objectives.objective import BatchLoss, LossPart, Objective
from training.pooled_features import pool
from training.ranges import check_range


@dataclass(frozen=True, slots=True)
class Classification:
    """Softmax cross-entropy over the people of the training set, or the arc loss, with the centre loss or without.

    Attributes:
        loss: softmax cross-entropy, or with the angular margin of the arc loss.
        arc_margin, arc_scale: radians, and the factor of the cosines (Deng et al. 2019: 0.5 and 64).
        centre_weight: of the centre loss; 0 for none, 0.003 in Wen et al. 2016.
        centre_rate: how fast centres move; 0.5 in Wen et al. 2016.
    """

    loss: Literal["softmax", "arc"] = "softmax"
    arc_margin: float = 0.5
    arc_scale: float = 64.0
    centre_weight: float = 0.0
    centre_rate: float = 0.5

    def __post_init__(self) -> None:
        check_range(self, "arc_margin", least=0, most=pi)
        check_range(self, "arc_scale", above=0)
        check_range(self, "centre_weight", least=0)
        check_range(self, "centre_rate", least=0, most=1)


class ClassificationObjective(Objective):
    """One linear layer over pooled features. Its accuracy is the share of the crops that it gives to their person."""

    centres: Tensor

    def __init__(self, settings: Classification, num_channels: int, num_classes: int) -> None:
        super().__init__()
        self.settings = settings
        self.classifier = nn.Linear(num_channels, num_classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)
        self.register_buffer("centres", torch.zeros(num_classes, num_channels))

    def forward(self, outputs: NetworkOutputs, persons: Tensor, random: Generator) -> BatchLoss:
        """See `Objective`."""
        features = pool(outputs.features)
        total = self._classify(features, persons)
        parts = [LossPart(self.settings.loss, total.detach())]
        if self.settings.centre_weight:
            centre = centre_loss(features, self.centres, persons)
            move_centres(self.centres, features.detach(), persons, self.settings.centre_rate)
            total = total + self.settings.centre_weight * centre
            parts.append(LossPart("centre", centre.detach()))
        return BatchLoss(total, tuple(parts), self._accuracy(features.detach(), persons))

    def _classify(self, features: Tensor, persons: Tensor) -> Tensor:
        weights, biases = self.classifier.weight, self.classifier.bias
        if self.settings.loss == "softmax":
            return softmax_loss(features, weights, biases, persons)
        return arc_loss(features, weights, persons, self.settings.arc_margin, self.settings.arc_scale)

    @torch.no_grad()
    def _accuracy(self, features: Tensor, persons: Tensor) -> Tensor:
        if self.settings.loss == "softmax":
            scores: Tensor = self.classifier(features)
        else:
            scores = features @ nn.functional.normalize(self.classifier.weight, dim=1).T
        return (scores.argmax(dim=1) == persons).float().mean()
