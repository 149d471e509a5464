"""The optimizer: stochastic gradient descent with its two learning rates."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn

from model.checkpoint import Checkpoint
from training.objectives.objective import Objective
from training.ranges import check_range


@dataclass(frozen=True, slots=True)
class OptimizerSettings:
    """Stochastic gradient descent; the defaults are the paper's and, where it is silent, its authors' code's.

    Attributes:
        momentum, weight_decay: of every weight.
        uses_nesterov: Nesterov's momentum.
        backbone_rate_share: the backbone's learning rate as a share of the new layers': 0.001 of 0.01 in Liao & Shao
            2020, Section 5.1.
        largest_gradient_norm: of all gradients together; larger ones are scaled down. 0 for no limit, as in the paper.
    """

    momentum: float = 0.9
    weight_decay: float = 5e-4
    uses_nesterov: bool = True
    backbone_rate_share: float = 0.1
    largest_gradient_norm: float = 0.0

    def __post_init__(self) -> None:
        check_range(self, "momentum", least=0, below=1)
        check_range(self, "weight_decay", "backbone_rate_share", "largest_gradient_norm", least=0)
        if self.uses_nesterov and not self.momentum:
            raise ValueError("uses_nesterov is true and momentum 0: set uses_nesterov to false, or give a momentum")


def build_optimizer(settings: OptimizerSettings, model: Checkpoint, objective: Objective) -> torch.optim.SGD:
    """An optimizer of two groups: the backbone, and all that is new."""
    backbone = list(model.extractor.backbone.parameters())
    new = list(new_parameters(model, objective))
    return torch.optim.SGD(
        [{"params": backbone}, {"params": new}],
        lr=0.0,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.uses_nesterov,
    )


def new_parameters(model: Checkpoint, objective: Objective) -> Iterable[nn.Parameter]:
    """Neck, head and what the objective trains, each once: the objective may hold the head."""
    parameters = [*model.extractor.neck.parameters(), *model.matcher.parameters(), *objective.parameters()]
    return {id(parameter): parameter for parameter in parameters}.values()


def set_learning_rate(optimizer: torch.optim.SGD, settings: OptimizerSettings, rate: float) -> None:
    """Give the new layers the rate, and the backbone its share of it."""
    backbone, new = optimizer.param_groups
    backbone["lr"], new["lr"] = rate * settings.backbone_rate_share, rate


def limit_gradients(optimizer: torch.optim.SGD, settings: OptimizerSettings) -> Tensor:
    """Scale all gradients together down to the largest norm, and tell the norm that they had: a scalar."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return nn.utils.clip_grad_norm_(parameters, settings.largest_gradient_norm or inf)
