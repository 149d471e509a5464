import pytest
import torch

from model.query_adaptive_convolution import compute_similarities
from training.pooled_similarities import PooledSimilarities


@pytest.mark.parametrize(("maps", "classes", "locations"), [(1, 1, 1), (3, 5, 8), (2, 7, 12)])
def test_maxima_and_gradients_equal_automatic_differentiation(maps: int, classes: int, locations: int) -> None:
    generator = torch.Generator().manual_seed(locations)
    # Exact in bfloat16, as are the sums of products: integers of at most 64. Of equal ones the first is the maximum.
    patches = torch.randint(-4, 5, (maps, 4, locations), generator=generator).float().requires_grad_()
    class_patches = torch.randint(-4, 5, (classes, 4, locations), generator=generator).float()
    weights = [torch.randint(1, 5, (maps, classes, locations), generator=generator).float() for _ in range(2)]

    maxima = PooledSimilarities.apply(patches, class_patches, torch.bfloat16)
    sum((one * weight).sum() for one, weight in zip(maxima, weights, strict=True)).backward()
    assert patches.grad is not None
    gradient = patches.grad.clone()
    patches.grad = None

    similarities = compute_similarities(patches, class_patches)
    expected = (similarities.max(dim=3), similarities.max(dim=2))
    for one, other in zip(maxima, expected, strict=True):
        torch.testing.assert_close(one, other.values, atol=0, rtol=0)
    sum((one.values * weight).sum() for one, weight in zip(expected, weights, strict=True)).backward()
    assert patches.grad is not None
    # Each gradient is a sum in float32, rounded to bfloat16 once: by at most one in 512.
    torch.testing.assert_close(gradient, patches.grad, atol=0, rtol=2**-9)
