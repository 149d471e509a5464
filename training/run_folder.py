"""The folder of a training run: its state, its last checkpoint and its best one, and what TensorBoard shows."""

from dataclasses import replace
from pathlib import Path

import torch

from model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from model.retrieval_metrics import RetrievalMetrics

STATE_NAME = "state.pt"
LAST_NAME = "last.safetensors"
BEST_NAME = "best.safetensors"
LOG_NAME = "tensorboard"


class RunFolder:
    """Keeps what a run leaves after each epoch. Made if it is not there."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._best = _read_best(folder / BEST_NAME)

    @property
    def state_path(self) -> Path:
        """Where the training state is kept."""
        return self._folder / STATE_NAME

    @property
    def log_path(self) -> Path:
        """What TensorBoard is to be pointed to."""
        return self._folder / LOG_NAME

    def keep(self, model: Checkpoint, metrics: RetrievalMetrics, stage: int, epoch: int) -> None:
        """Save a model after an epoch: as the last, and as the best if its mean average precision is the highest.

        The best model is of the size of its stage, which may be an earlier one than the recipe's last.
        """
        provenance = {
            **model.provenance,
            "stage": stage,
            "epoch": epoch,
            "validation": {"mean_average_precision": metrics.mean_average_precision, "rank1": metrics.rank1},
        }
        named = replace(model, provenance=provenance)
        save_checkpoint(named, self._folder / LAST_NAME)
        if metrics.mean_average_precision > self._best:
            save_checkpoint(named, self._folder / BEST_NAME)
            self._best = metrics.mean_average_precision

    def keep_finished(self, model: Checkpoint) -> Path:
        """Save the model of a finished run as the last, with its whole provenance."""
        path = self._folder / LAST_NAME
        save_checkpoint(model, path)
        return path


def _read_best(path: Path) -> float:
    """The mean average precision of the best model so far; below all where there is none."""
    if not path.exists():
        return -torch.inf
    try:
        return float(load_checkpoint(path).provenance["validation"]["mean_average_precision"])
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path} does not say how good it is on its validation: it is not of a run of this folder; give another"
        ) from error
