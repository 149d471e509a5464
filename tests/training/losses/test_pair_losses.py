from math import exp, log

import pytest
import torch

from reference.matching_training import pairwise_loss, triplet_loss
from training.losses.hard_triplet import hard_triplet_loss, hardest_pairs
from training.losses.pair_labels import label_pairs
from training.losses.pairwise_matching import pairwise_matching_loss

PERSONS = [3, 3, 1, 1, 1, 7]


def random_logits() -> torch.Tensor:
    return 4 * torch.randn(6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_pairs_of_a_crop_with_itself_are_neither() -> None:
    pairs = label_pairs(torch.tensor([5, 5, 2]))
    assert pairs.is_same.tolist() == [[False, True, False], [True, False, False], [False, False, False]]
    assert pairs.is_different.tolist() == [[False, False, True], [False, False, True], [True, True, False]]


@pytest.mark.parametrize("margin", [0.5, 16.0])
def test_both_losses_and_their_gradients_equal_slow_loops(margin: float) -> None:
    fast, slow = (random_logits().requires_grad_() for _ in range(2))
    pairs = label_pairs(torch.tensor(PERSONS))
    matching, triplet = pairwise_matching_loss(fast, pairs), hard_triplet_loss(fast, pairs, margin)
    (matching + triplet).backward()
    table = {(i, j): slow[i, j] for i in range(6) for j in range(6) if i != j}
    slow_matching, slow_triplet = pairwise_loss(table, PERSONS), triplet_loss(table, PERSONS, margin)
    (slow_matching + slow_triplet).backward()
    torch.testing.assert_close(matching, slow_matching)
    torch.testing.assert_close(triplet, slow_triplet)
    torch.testing.assert_close(fast.grad, slow.grad)


def test_numbers_worked_out_by_hand() -> None:
    logits = torch.tensor([[9.0, 2.0, -1.0], [2.0, 9.0, 1.5], [-1.0, 1.5, 9.0]])
    pairs = label_pairs(torch.tensor([0, 0, 1]))
    # Crop 0: right at 2, wrong at -1; crop 1: right at 2, wrong at 1.5; crop 2 has no right partner.
    assert float(hard_triplet_loss(logits, pairs, 4.0)) == pytest.approx(((4 - 1 - 2) + (4 + 1.5 - 2)) / 2)
    hardest = hardest_pairs(logits, pairs)
    assert hardest.same.tolist() == [2.0, 2.0]
    assert hardest.different.tolist() == [-1.0, 1.5]
    right, wrong = 2 * log(1 + exp(-2)), 2 * (log(1 + exp(-1)) + log(1 + exp(1.5)))
    assert float(pairwise_matching_loss(logits, pairs)) == pytest.approx((right + wrong) / 3, rel=1e-6)


def test_a_batch_of_one_person_has_no_triplet() -> None:
    logits = torch.zeros(2, 2, requires_grad=True)
    loss = hard_triplet_loss(logits, label_pairs(torch.tensor([4, 4])), 16.0)
    assert float(loss.detach()) == 0.0
