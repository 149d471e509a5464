"""What every objective is: a module that turns a batch's outputs into a loss."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Generator, Tensor, nn

from training.network_outputs import NetworkOutputs


class LossPart(NamedTuple):
    """One of the losses of a batch, before its weight: a scalar without gradient."""

    name: str
    value: Tensor


class BatchLoss(NamedTuple):
    """What a batch gives.

    Attributes:
        total: the scalar to minimise.
        parts: what it is made of, for reports.
        accuracy: a scalar of 0 to 1: the share of the crops that the objective got right; each objective says how.
            Not a number where no crop could be right or wrong.
    """

    total: Tensor
    parts: tuple[LossPart, ...]
    accuracy: Tensor


class Objective(nn.Module, ABC):
    """Losses, with what they keep from step to step; its parameters are trained, its buffers are part of the state."""

    @abstractmethod
    def forward(self, outputs: NetworkOutputs, persons: Tensor, random: Generator) -> BatchLoss:
        """The loss of a batch with persons int64 [n]; may change what the objective keeps."""
