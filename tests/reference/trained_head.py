"""Heads as training leaves them, of the model's own class and as the loops take them."""

import numpy as np
import torch
from torch import nn

from model.query_adaptive_convolution import MatchingHead
from reference.query_adaptive_convolution import BatchNorm, Head


def train_head(head: MatchingHead, seed: int) -> None:
    """Gives a head weights and statistics of the order that training gives them, no two alike.

    Weights differ between locations and some are negative; the logit's range is a few units around −2.
    """
    random = np.random.default_rng(seed)
    weights = (1 + 0.5 * random.standard_normal(tuple(head.fc.weight.shape))) / head.locations
    head.fc.weight.data = torch.from_numpy(weights).float()
    head.fc.bias.data.fill_(0.1 * random.standard_normal())
    _fill(head.bn, gain=1.3, offset=0.2, mean=0.55, variance=0.02)
    _fill(head.logit_bn, gain=1.1, offset=-2.0, mean=0.4, variance=1.7)


def head_of_loops(head: MatchingHead) -> Head:
    """The same head for the loops."""
    weights, bias = head.fc.weight.detach().flatten().tolist(), float(head.fc.bias.detach())
    return Head(_batch_norm(head.bn), weights, bias, _batch_norm(head.logit_bn))


def _fill(norm: nn.BatchNorm1d, gain: float, offset: float, mean: float, variance: float) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.weight.data.fill_(gain)
    norm.bias.data.fill_(offset)
    norm.running_mean.fill_(mean)
    norm.running_var.fill_(variance)


def _batch_norm(norm: nn.BatchNorm1d) -> BatchNorm:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain, offset = float(norm.weight.detach()), float(norm.bias.detach())
    return BatchNorm(gain, offset, float(norm.running_mean), float(norm.running_var), norm.eps)
