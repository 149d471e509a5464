"""Global max pooling of similarities to many class maps, with a backward pass that touches only the maxima.

Automatic differentiation would keep every similarity tensor and fill gradients of the same size, of which all but 2hw
values per pair are zero. Here only the places of the maxima are kept.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class PooledSimilarities(torch.autograd.Function):
    """Maxima of both directions between patches [n, d, hw] and class patches [c, d, hw], float32 [n, c, hw] each.

    The first result has the best class location of every query location, the second the best query location of every
    class location. Gradients go to the first argument alone: class patches come from the memory. The third argument is
    the dtype of the products.
    """

    @staticmethod
    def forward(ctx: Any, patches: Tensor, class_patches: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """See the class."""
        classes, _, locations = class_patches.shape
        rows = class_patches.transpose(1, 2).flatten(0, 1).to(dtype).contiguous()
        shape = (len(patches), classes, locations)
        query_maxima, class_maxima = (torch.empty(shape, device=patches.device) for _ in range(2))
        query_places, class_places = (torch.empty(shape, dtype=torch.int64, device=patches.device) for _ in range(2))
        for index, patch in enumerate(patches.to(dtype)):
            similarities = (rows @ patch).view(classes, locations, locations)
            class_maxima[index], class_places[index] = similarities.max(dim=2)
            query_maxima[index], query_places[index] = similarities.max(dim=1)
        ctx.save_for_backward(rows, query_places, class_places)
        return query_maxima, class_maxima

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, query_gradients: Tensor, class_gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        """Each maximum passes its gradient to the two vectors it is the product of."""
        rows, query_places, class_places = ctx.saved_tensors
        _, classes, locations = query_places.shape
        starts = (torch.arange(classes, device=rows.device) * locations)[:, None]
        own = torch.arange(locations, device=rows.device)[None, :] * len(rows)
        gradients = []
        for query in range(len(query_places)):
            weights = torch.zeros(locations, len(rows), dtype=rows.dtype, device=rows.device)
            weights.scatter_(0, class_places[query].view(1, -1), class_gradients[query].to(rows.dtype).reshape(1, -1))
            # A mutual pair is the maximum of both directions and takes both gradients.
            places = (own + starts + query_places[query]).flatten()
            weights.view(-1).scatter_add_(0, places, query_gradients[query].to(rows.dtype).flatten())
            gradients.append((weights @ rows).T.float())
        return torch.stack(gradients), None, None
