"""Scores of crops against each other by a model in the middle of its training."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

from model.checkpoint import Checkpoint
from model.gallery_scoring import choose_scorer, position_major
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.precision import Precision, choose_precision
from training.pooled_features import pooled_features
from training.precision import TrainingPrecision, autocast

_CROPS_PER_BATCH = 64
# Rounding is 0.4 % of a cosine: noise to a sampler, and to a figure that only tells epochs apart.
_STORED_AS: Precision = "bfloat16"


@torch.no_grad()
def score_crops(
    model: Checkpoint,
    queries: Tensor,
    gallery: Tensor,
    *,
    compares_pooled_features: bool,
    precision: TrainingPrecision,
) -> Tensor:
    """Scores float32 [q, g] on the CPU, larger is more alike: logits, or cosines of pooled features.

    Args:
        model: on any device, in training or in inference mode; its mode is the same afterwards.
        queries: uint8 [q, 3, height, width] of any size.
        gallery: uint8 [g, 3, height, width]; the very tensor of the queries is extracted once.
        compares_pooled_features: what was trained.
        precision: in which the network runs.
    """
    device = next(model.extractor.parameters()).device
    with in_inference(model), autocast(precision, device):
        extract = _extract_pooled if compares_pooled_features else _extract_maps
        query_features = extract(model, queries, device)
        gallery_features = query_features if gallery is queries else extract(model, gallery, device)
    if compares_pooled_features:
        return (query_features @ gallery_features.T).cpu()
    chosen = choose_precision(device.type, _STORED_AS)
    matcher = FoldedMatcher.of(model.matcher, model.config, device)
    scorer = choose_scorer(matcher, model.config.channels, chosen)
    stored = gallery_features.to(chosen.storage)
    batches = query_features.to(chosen.storage).split(_CROPS_PER_BATCH)
    return torch.cat([scorer.score(batch, stored) for batch in batches]).cpu()


@contextmanager
def in_inference(model: Checkpoint) -> Iterator[None]:
    """A model's extractor in inference mode while the context lasts, then each part in the mode it was in."""
    in_training = [module for module in model.extractor.modules() if module.training]
    model.extractor.eval()
    try:
        yield
    finally:
        for module in in_training:
            module.training = True


def _extract_maps(model: Checkpoint, crops: Tensor, device: torch.device) -> Tensor:
    parts = [model.extractor(_resize(model, part, device)) for part in crops.split(_CROPS_PER_BATCH)]
    return position_major(torch.cat(parts))


def _extract_pooled(model: Checkpoint, crops: Tensor, device: torch.device) -> Tensor:
    return torch.cat([pooled_features(model, _resize(model, part, device)) for part in crops.split(_CROPS_PER_BATCH)])


def _resize(model: Checkpoint, crops: Tensor, device: torch.device) -> Tensor:
    size = (model.config.input_height, model.config.input_width)
    resized = functional.interpolate(crops.to(device).float(), size, mode="bilinear", antialias=True)
    return resized.contiguous(memory_format=torch.channels_last)
