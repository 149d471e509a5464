"""How long a run will take, measured on a few of its steps before it begins."""

import time
from dataclasses import replace
from statistics import median

from torch import Tensor

from model.checkpoint import Checkpoint
from training.datasets.crop_pixels import CropPixels
from training.distributed import process_number
from training.objectives.build_objective import compares_pooled_features
from training.recipe import Recipe
from training.sampling.build_batches import steps_of_an_epoch
from training.sampling.graph import GraphSampling
from training.sources.training_crops import TrainingCrops
from training.step_report import StepReport
from training.trainer import train
from training.validation import validate

_MEASURED_STEPS = 4


def estimate_seconds(recipe: Recipe, crops: TrainingCrops, validation: CropPixels) -> float:
    """About how long a run's steps and the validations after its epochs take on this machine, as busy as it is now.

    Runs a few steps and one validation of every stage on a model that is thrown away; the crops stay those of the run's
    first step. In joined processes all must call it, and the first alone gets an answer, the others 0.

    Raises:
        TrainingDiverged, ValueError: see `train`.
    """
    steps = [stage.steps_per_epoch or steps_of_an_epoch(stage.sampling, crops.persons) for stage in recipe.stages]
    measured = tuple(
        replace(stage, epochs=1, steps_per_epoch=min(_MEASURED_STEPS, number))
        for stage, number in zip(recipe.stages, steps, strict=True)
    )
    watch = _Watch(recipe, validation)
    crops.go_to_step(0)
    watch.began = time.monotonic()
    train(replace(recipe, stages=measured), _StandingCrops(crops), watch.note_step, watch.note_epoch)
    if process_number() != 0:
        return 0.0
    total = 0.0
    for number, stage in enumerate(recipe.stages):
        first, *others = watch.steps[number]
        step = median(others) if others else first
        # The first step waits for the first graph.
        epoch = (
            steps[number] * step + _graphs(stage.sampling, steps[number]) * (first - step) + watch.validations[number]
        )
        total += stage.epochs * epoch
    return total


class _Watch:
    """Notes how long each step and each validation takes, by stage."""

    def __init__(self, recipe: Recipe, validation: CropPixels) -> None:
        self.began = 0.0
        self.steps: list[list[float]] = [[] for _ in recipe.stages]
        self.validations = [0.0] * len(recipe.stages)
        self._recipe = recipe
        self._validation = validation

    def note_step(self, report: StepReport) -> None:
        self.steps[report.stage].append(self._seconds())

    def note_epoch(self, stage: int, epoch: int, step: int, model: Checkpoint) -> None:
        pooled = compares_pooled_features(self._recipe.objective)
        validate(model, self._validation, compares_pooled_features=pooled, precision=self._recipe.precision)
        self.validations[stage] = self._seconds()

    def _seconds(self) -> float:
        """Since the last time."""
        now = time.monotonic()
        seconds, self.began = now - self.began, now
        return seconds


class _StandingCrops:
    """Crops that stay those of the step that they are at."""

    def __init__(self, crops: TrainingCrops) -> None:
        self.persons: Tensor = crops.persons
        self.num_people, self.num_crops = crops.num_people, crops.num_crops
        self.read, self.describe, self.fingerprint = crops.read, crops.describe, crops.fingerprint

    def go_to_step(self, step: int) -> None:
        """Nothing."""


def _graphs(sampling: object, steps: int) -> int:
    """How many graphs an epoch makes; at least one where it makes any."""
    if not isinstance(sampling, GraphSampling):
        return 0
    return -(-steps // (sampling.batches_per_graph or steps))
