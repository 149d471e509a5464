"""How good a model in training is at finding people that it is not trained on, quickly."""

import torch

from model.checkpoint import Checkpoint
from model.retrieval_metrics import CropLabels, RetrievalMetrics, retrieval_metrics
from training.crop_scoring import score_crops
from training.datasets.crop_pixels import CropPixels
from training.precision import TrainingPrecision

# At most so many crops are searched for, evenly spread over all.
_MOST_QUERIES = 200


def validate(
    model: Checkpoint, crops: CropPixels, *, compares_pooled_features: bool, precision: TrainingPrecision
) -> RetrievalMetrics:
    """Search some crops among all, by appearance alone; the model may be in the middle of its training.

    Raises:
        ValueError: nobody is seen by two cameras.
    """
    labels = CropLabels(torch.from_numpy(crops.persons), torch.from_numpy(crops.cameras))
    chosen = torch.linspace(0, len(crops) - 1, min(len(crops), _MOST_QUERIES)).long()
    gallery = torch.from_numpy(crops.pixels)
    scores = score_crops(
        model,
        gallery[chosen],
        gallery,
        compares_pooled_features=compares_pooled_features,
        precision=precision,
    )
    return retrieval_metrics(scores, CropLabels(labels.persons[chosen], labels.cameras[chosen]), labels)
