"""Pooled features: what the baselines of the paper's Table 2 train and compare instead of feature maps."""

import torch
from torch import Tensor
from torch.nn import functional

from model.checkpoint import Checkpoint
from model.preprocessing import normalise_crops

_CROPS_PER_BATCH = 64


@torch.no_grad()
def pooled_features(model: Checkpoint, pixels: Tensor) -> Tensor:
    """Unit vectors whose inner products are the baselines' scores.

    Args:
        model: in inference mode; its neck and matcher have no part in this.
        pixels: [n, 3, input_height, input_width], values of 0 to 255, any dtype.

    Returns:
        float32 [n, c] with the backbone's channels, ℓ2-normalised.
    """
    parts = [
        functional.normalize(pool(_backbone_features(model, part)), dim=1) for part in pixels.split(_CROPS_PER_BATCH)
    ]
    return torch.cat(parts)


def pool(features: Tensor) -> Tensor:
    """Global average pooling: backbone features [n, c, h, w] to float32 [n, c]."""
    return features.float().mean(dim=(2, 3))


def _backbone_features(model: Checkpoint, crops: Tensor) -> Tensor:
    features: Tensor = model.extractor.backbone(normalise_crops(crops, model.config))
    return features
