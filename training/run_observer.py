"""What is done beside training: validation after each epoch, the run's folder, TensorBoard's log."""

from collections.abc import Callable
from dataclasses import asdict, replace

import torch
from torch import Tensor
from torch.nn import functional

from model.checkpoint import Checkpoint
from model.retrieval_metrics import RetrievalMetrics
from training.datasets.crop_pixels import CropPixels
from training.objectives.build_objective import compares_pooled_features
from training.recipe import Recipe
from training.run_folder import RunFolder
from training.step_report import StepReport
from training.tensorboard_log import TensorBoardLog, check_tensorboard
from training.trainer import OnStep
from training.validation import validate

# Called after every epoch with the numbers of the stage and of its epochs that are over, and what validation gave.
OnValidation = Callable[[int, int, RetrievalMetrics], None]
# So many pairs of validation crops are drawn for TensorBoard.
_NUM_PICTURES = 4


class RunObserver:
    """Watches a run and keeps what it gives.

    Args:
        recipe: of the run.
        validation: crops that are not trained on.
        folder: None to keep nothing.
        on_step, on_validation: told as well.

    Raises:
        TensorBoardMissing: there is a folder, and nothing to write its log with.
    """

    def __init__(
        self,
        recipe: Recipe,
        validation: CropPixels,
        folder: RunFolder | None,
        on_step: OnStep,
        on_validation: OnValidation,
    ) -> None:
        if folder is not None:
            check_tensorboard()
        self._recipe = recipe
        self._validation = validation
        self._folder = folder
        self._on_step = on_step
        self._on_validation = on_validation
        self._log: TensorBoardLog | None = None

    def observe_step(self, report: StepReport) -> None:
        """To be called after every step."""
        self._on_step(report)
        if self._folder is not None:
            # Not before the first step: only now it is known where the run goes on.
            self._log = self._log or TensorBoardLog(self._folder.log_path, report.step)
            self._log.log_step(report)

    def observe_epoch(self, stage: int, epoch: int, step: int, model: Checkpoint) -> None:
        """To be called after every epoch."""
        pooled = compares_pooled_features(self._recipe.objective)
        metrics = validate(model, self._validation, compares_pooled_features=pooled, precision=self._recipe.precision)
        if self._folder is not None:
            provenance = {**model.provenance, "recipe": asdict(self._recipe)}
            self._folder.keep(replace(model, provenance=provenance), metrics, stage, epoch)
        if self._log is not None:
            self._log.log_validation(metrics, step)
            if not pooled:
                self._log.log_correspondences(model, self._pairs(model), step)
        self._on_validation(stage, epoch, metrics)

    def close(self) -> None:
        """To be called at the end, whatever it is."""
        if self._log is not None:
            self._log.close()

    def _pairs(self, model: Checkpoint) -> Tensor:
        """Pairs of one person in two cameras, uint8 [n, 2, 3, input_height, input_width]."""
        persons, cameras = torch.from_numpy(self._validation.persons), torch.from_numpy(self._validation.cameras)
        is_pair = (persons[:, None] == persons[None, :]) & (cameras[:, None] < cameras[None, :])
        pairs = torch.nonzero(is_pair)
        chosen = pairs[torch.linspace(0, len(pairs) - 1, min(len(pairs), _NUM_PICTURES)).long()]
        crops = torch.from_numpy(self._validation.pixels)[chosen.flatten()].float()
        size = (model.config.input_height, model.config.input_width)
        resized = functional.interpolate(crops, size, mode="bilinear", antialias=True)
        return resized.round().clamp(0, 255).to(torch.uint8).view(len(chosen), 2, 3, *size)
