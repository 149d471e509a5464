import pytest
import torch
from torch import Tensor

from model.query_adaptive_convolution import MatchingHead
from reference.matching_training import pair_logits
from training.pairwise_similarities import PairwiseSimilarities, score_pairs


def maps_of_integers(n: int, channels: int, height: int, width: int, seed: int) -> Tensor:
    """Small integers: exact in bfloat16, as are their products and sums here, which stay below 256."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, (n, channels, height, width), generator=generator).float()


@pytest.mark.parametrize(("n", "locations"), [(2, 1), (4, 6), (5, 3)])
def test_maxima_and_gradients_to_both_maps_equal_automatic_differentiation(n: int, locations: int) -> None:
    patches = maps_of_integers(n, 4, locations, 1, n).flatten(2).requires_grad_()
    weights = torch.randint(1, 5, (n, n, locations), generator=torch.Generator().manual_seed(1)).float()

    maxima = PairwiseSimilarities.apply(patches, torch.bfloat16)
    (maxima * weights).sum().backward()
    assert patches.grad is not None
    gradient = patches.grad.clone()
    patches.grad = None

    for i in range(n):
        assert float(maxima[i, i].detach().abs().sum()) == 0
    similarities = torch.einsum("ics,jcr->ijsr", patches, patches)
    expected = similarities.max(dim=3).values.masked_fill(torch.eye(n, dtype=torch.bool)[:, :, None], 0.0)
    torch.testing.assert_close(maxima, expected, atol=0, rtol=0)
    (expected * weights).sum().backward()
    assert patches.grad is not None
    # Of equal similarities the first is the maximum, here as there.
    torch.testing.assert_close(gradient, patches.grad, atol=0, rtol=0)


@pytest.mark.parametrize("shared", [False, True])
def test_logits_and_gradients_equal_slow_loops(shared: bool) -> None:
    generator = torch.Generator().manual_seed(5)
    maps = torch.nn.functional.normalize(torch.randn(4, 16, 3, 2, generator=generator), dim=1).requires_grad_()
    head = MatchingHead(6, shared=shared).train()
    torch.nn.init.uniform_(head.fc.weight, 0.1, 0.3)
    logits = score_pairs(maps, head, 1, torch.float32)
    weights = torch.randn(4, 4, generator=generator)
    (logits * weights).sum().backward()
    found_head = head.fc.weight.grad
    assert maps.grad is not None
    assert found_head is not None

    slow_maps = maps.detach().double().requires_grad_()
    slow_head = MatchingHead(6, shared=shared).double()
    slow_head.load_state_dict(head.state_dict())
    expected = pair_logits(slow_maps, slow_head)
    sum(logit * float(weights[pair]) for pair, logit in expected.items()).backward()
    for pair, logit in expected.items():
        assert float(logits[pair].detach()) == pytest.approx(float(logit.detach()), abs=1e-4)
    assert slow_maps.grad is not None
    assert slow_head.fc.weight.grad is not None
    torch.testing.assert_close(maps.grad, slow_maps.grad.float(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found_head, slow_head.fc.weight.grad.float(), atol=1e-4, rtol=1e-4)


def test_the_diagonal_has_no_logit_and_no_gradient() -> None:
    maps = torch.randn(3, 4, 2, 1, generator=torch.Generator().manual_seed(0)).requires_grad_()
    logits = score_pairs(maps, MatchingHead(2, shared=True), 1, torch.float32)
    assert logits.diagonal().tolist() == [0.0, 0.0, 0.0]
    logits.diagonal().sum().backward()
    assert maps.grad is not None
    assert float(maps.grad.abs().max()) == 0.0
