"""What a trained matcher must beat: colours, pooled features, and its own architecture untrained."""

import torch
from torch import Tensor

from model.checkpoint import Checkpoint, create_checkpoint
from training.color_histogram import intersect_histograms
from training.evaluation.crop_features import CropFeatures, extract_features
from training.evaluation.pair_scores import compare_pooled, match_pairs
from training.evaluation.progress import OnProgress
from training.evaluation.searches import Searches

_UNTRAINED_SEED = 0


def baseline_scores(features: CropFeatures, searches: Searches) -> dict[str, Tensor]:
    """Scores [q, g] of the queries against the gallery, by name: `color_histogram` and `pooled_cosine`."""
    queries, gallery = searches.queries, searches.gallery
    return {
        "color_histogram": intersect_histograms(features.histograms[queries], features.histograms[gallery]),
        "pooled_cosine": compare_pooled(features.pooled, queries).values[:, gallery],
    }


def untrained_scores(
    model: Checkpoint, searches: Searches, device: str = "cpu", on_progress: OnProgress | None = None
) -> Tensor:
    """Scores [q, g] by a model of the same architecture with random weights, always the same ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_UNTRAINED_SEED)
        untrained = create_checkpoint("random weights", model.config)
    maps = extract_features(untrained, searches.crops, device, on_progress).maps
    return match_pairs(untrained, maps, searches.queries, device, on_progress).values[:, searches.gallery]
