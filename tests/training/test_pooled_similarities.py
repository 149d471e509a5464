import pytest
import torch

from model.query_adaptive_convolution import compute_similarities
from training.pooled_similarities import PooledSimilarities


@pytest.mark.parametrize(("maps", "classes", "locations"), [(1, 1, 1), (3, 5, 8), (2, 7, 12)])
def test_maxima_and_gradients_equal_automatic_differentiation(maps: int, classes: int, locations: int) -> None:
    generator = torch.Generator().manual_seed(locations)
    # Small integers are exact in bfloat16, and so are their products and sums here; the noise parts equal maxima.
    patches = torch.randint(-8, 9, (maps, 6, locations), generator=generator).float().requires_grad_()
    class_patches = torch.randint(-8, 9, (classes, 6, locations), generator=generator).float()
    weights = [torch.randint(1, 5, (maps, classes, locations), generator=generator).float() for _ in range(2)]

    maxima = PooledSimilarities.apply(patches, class_patches, torch.bfloat16)
    sum((one * weight).sum() for one, weight in zip(maxima, weights, strict=True)).backward()
    assert patches.grad is not None
    gradient = patches.grad.clone()
    patches.grad = None

    similarities = compute_similarities(patches, class_patches).to(torch.bfloat16).float()
    expected = (similarities.max(dim=3), similarities.max(dim=2))
    for one, other in zip(maxima, expected, strict=True):
        torch.testing.assert_close(one, other.values, atol=0, rtol=0)
    # Where bfloat16 made two similarities equal either may take the gradient; its direction must still be uphill.
    sum((one.values * weight).sum() for one, weight in zip(expected, weights, strict=True)).backward()
    assert patches.grad is not None
    close = torch.isclose(gradient, patches.grad, atol=1.0, rtol=2e-2).float().mean()
    assert close > 0.9
