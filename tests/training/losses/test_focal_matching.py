from math import exp, log

import pytest
import torch

from training.losses.focal_matching import focal_matching_loss


def slow_focal_loss(
    logits: list[list[float]], targets: list[list[int]], included: list[list[bool]], gamma: float
) -> float:
    """Eq. (1) of the paper, pair by pair."""
    total = 0.0
    for row_logits, row_targets, row_included in zip(logits, targets, included, strict=True):
        for logit, target, counts in zip(row_logits, row_targets, row_included, strict=True):
            p = 1 / (1 + exp(-logit))
            p_t = p if target else 1 - p
            total += -((1 - p_t) ** gamma) * log(p_t) * counts
    return total / len(logits)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_focal_loss_equals_slow_loops(gamma: float) -> None:
    logits = [[2.0, -1.0, 0.3], [-3.0, 0.5, 1.5]]
    targets = [[1, 0, 0], [0, 0, 1]]
    included = [[True, True, False], [True, True, True]]
    loss = focal_matching_loss(torch.tensor(logits), torch.tensor(targets), torch.tensor(included), gamma)
    assert float(loss) == pytest.approx(slow_focal_loss(logits, targets, included, gamma), rel=1e-5)


def test_easy_pairs_weigh_less_than_hard_ones() -> None:
    logits = torch.tensor([[-4.0, 2.0]], requires_grad=True)
    focal_matching_loss(logits, torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool)).backward()
    assert logits.grad is not None
    easy, hard = logits.grad[0].abs().tolist()
    # Of a negative −p² · log(1 − p), whose derivative by the logit is p³ − 2p² · (1 − p) · log(1 − p).
    for gradient, p in ((easy, 0.017986), (hard, 0.880797)):
        assert gradient == pytest.approx(p**3 - 2 * p**2 * (1 - p) * log(1 - p), rel=1e-3)


def test_pairs_that_do_not_count_have_no_gradient() -> None:
    logits = torch.tensor([[1.0, 1.0]], requires_grad=True)
    focal_matching_loss(logits, torch.tensor([[0, 0]]), torch.tensor([[True, False]])).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] > 0
    assert logits.grad[0, 1] == 0
