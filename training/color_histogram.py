"""The baseline that a trained model must beat: how alike the colours of two crops are."""

import torch
from torch import Tensor

# Three stripes (head, torso, legs) with 8 x 8 x 8 colour cells each: the usual strength of such a baseline.
_NUM_STRIPES, _LEVELS = 3, 8


def color_histograms(crops: Tensor) -> Tensor:
    """uint8 crops [n, 3, h, w] to float32 histograms [n, 1536], each summing to one.

    Of the middle half of the columns: at the sides there is mostly background.
    """
    width = crops.shape[3]
    cells = (crops[:, :, :, width // 4 : width - width // 4].long() * _LEVELS) // 256
    codes = (cells[:, 0] * _LEVELS + cells[:, 1]) * _LEVELS + cells[:, 2]
    parts = []
    for stripe in codes.chunk(_NUM_STRIPES, dim=1):
        flat = stripe.flatten(1)
        counts = torch.zeros(len(crops), _LEVELS**3).scatter_add_(1, flat, torch.ones(flat.shape))
        parts.append(counts)
    histograms = torch.cat(parts, dim=1)
    return histograms / histograms.sum(dim=1, keepdim=True)


def intersect_histograms(queries: Tensor, gallery: Tensor) -> Tensor:
    """Histogram intersections [q, g], in [0, 1], of histograms [q, c] and [g, c]."""
    intersections = torch.empty(len(queries), len(gallery))
    for row, histogram in zip(intersections, queries, strict=True):
        row.copy_(torch.minimum(histogram, gallery).sum(dim=1))
    return intersections
