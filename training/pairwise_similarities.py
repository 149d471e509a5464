"""Global max pooling of similarities among all maps of a batch, each pair once, with gradients to both of its maps.

As in `pooled_similarities`, only the places of the maxima are kept for the backward pass.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.query_adaptive_convolution import MatchingHead, extract_patches


def score_pairs(maps: Tensor, head: MatchingHead, kernel_size: int, dtype: torch.dtype) -> Tensor:
    """Logits [n, n] of all pairs of maps [n, d, h, w], differentiable in the maps and the head; zeros on the diagonal.

    Products of maps are computed in `dtype`.

    The authors' code scores every map against itself too, and its batch normalisation sees those maxima of one. Here
    neither the loss nor the head's statistics do: no search meets such a pair.
    """
    maxima = PairwiseSimilarities.apply(extract_patches(maps.float(), kernel_size), dtype)
    n = len(maps)
    first, second = torch.nonzero(~torch.eye(n, dtype=torch.bool, device=maps.device), as_tuple=True)
    logits = head(maxima[first, second], maxima[second, first])
    return torch.zeros(n, n, dtype=logits.dtype, device=maps.device).index_put((first, second), logits)


class PairwiseSimilarities(torch.autograd.Function):
    """Maxima [n, n, hw] among patches [n, d, hw]: at [i, j, r] the best similarity of location r of i in j, float32.

    The diagonal is zero. The second argument is the dtype of the products.
    """

    @staticmethod
    def forward(ctx: Any, patches: Tensor, dtype: torch.dtype) -> Tensor:  # noqa: ANN401
        """See the class."""
        n, _, locations = patches.shape
        kernels = patches.to(dtype)
        rows = kernels.transpose(1, 2).flatten(0, 1).contiguous()
        maxima = torch.zeros(n, n, locations, device=patches.device)
        places = torch.zeros(n, n, locations, dtype=torch.int64, device=patches.device)
        for i in range(n - 1):
            later = rows[(i + 1) * locations :]
            similarities = (later @ kernels[i]).view(-1, locations, locations)
            maxima[i + 1 :, i], places[i + 1 :, i] = similarities.max(dim=2)
            maxima[i, i + 1 :], places[i, i + 1 :] = similarities.max(dim=1)
        ctx.save_for_backward(kernels, rows, places)
        return maxima

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        """Each maximum passes its gradient to the two vectors it is the product of."""
        kernels, rows, places = ctx.saved_tensors
        n, _, locations = kernels.shape
        gradients = gradients.to(rows.dtype)
        result = torch.zeros(rows.shape, device=rows.device)
        for i in range(n - 1):
            # [j, location of j, location of i], zero but where a maximum was.
            weights = torch.zeros(n - i - 1, locations, locations, dtype=rows.dtype, device=rows.device)
            weights.scatter_(2, places[i + 1 :, i, :, None], gradients[i + 1 :, i, :, None])
            # A mutual pair is the maximum of both directions and takes both gradients.
            weights.scatter_add_(1, places[i, i + 1 :, None, :], gradients[i, i + 1 :, None, :])
            flat = weights.flatten(0, 1)
            start = (i + 1) * locations
            result[i * locations : start] += flat.T @ rows[start:]
            result[start:] += flat @ kernels[i].T
        return result.view(n, locations, -1).transpose(1, 2), None
