"""A whole training run: draw, train, evaluate on people never seen, and say in the checkpoint how it came about."""

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from model.checkpoint import Checkpoint, create_checkpoint
from model.temporal_lifting import LiftingParameters
from training.datasets.crop_pixels import CropPixels, join_crop_pixels, read_crop_pixels
from training.evaluate import EvaluationReport, OnProgress, evaluate
from training.recipes import NetworkPlan, Recipe
from training.synthetic.network import SyntheticNetwork
from training.trainer import StepReport, train


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A trained model, with its provenance, and its figures."""

    checkpoint: Checkpoint
    report: EvaluationReport


def run_recipe(
    recipe: Recipe,
    num_processes: int,
    on_drawn: Callable[[int, int], None],
    on_step: Callable[[StepReport, Checkpoint], None],
    on_evaluation: OnProgress | None = None,
) -> FinishedRun:
    """Run a recipe from its seed to a checkpoint ready to be saved.

    Args:
        recipe: what to do.
        num_processes: that draw crops; training itself uses PyTorch's threads.
        on_drawn: called with the number of training networks drawn so far and of all.
        on_step: see `train`.
        on_evaluation: see `evaluate`.

    Raises:
        ImageNetWeightsUnavailable: the recipe asks for them and they cannot be downloaded.
    """
    if recipe.imagenet_weights:
        # Brings them into torchvision's cache, or fails now and not after minutes of drawing.
        create_checkpoint(recipe.name, recipe.model_config, imagenet_weights=True)
    crops = draw_training_crops(recipe, num_processes, on_drawn)
    started = time.monotonic()
    model = train(recipe, crops, on_step)
    seconds = time.monotonic() - started
    report = evaluate(model, build_network(recipe.validation), LiftingParameters(), on_evaluation)
    provenance = describe_run(recipe, len(crops), crops.num_persons, seconds, report)
    return FinishedRun(replace(model, provenance=provenance), report)


def build_network(plan: NetworkPlan) -> SyntheticNetwork:
    """The synthetic network of a plan, beginning at time 0."""
    return SyntheticNetwork(plan.seed, plan.num_people, plan.num_cameras, traffic=plan.traffic)


def draw_training_crops(recipe: Recipe, num_processes: int, on_drawn: Callable[[int, int], None]) -> CropPixels:
    """The crops of all training networks of a recipe."""
    parts = []
    for number, plan in enumerate(recipe.networks):
        network = build_network(plan)
        parts.append(read_crop_pixels(network, recipe.crop_height, recipe.crop_width, num_processes))
        on_drawn(number + 1, len(recipe.networks))
    return join_crop_pixels(parts)


def describe_run(
    recipe: Recipe, num_crops: int, num_people: int, seconds: float, report: EvaluationReport
) -> dict[str, object]:
    """Provenance as JSON values: recipe, data, machine, versions and figures."""
    return {
        "recipe": asdict(recipe),
        "data": {
            "source": "synthetic camera network, no real person",
            "num_people": num_people,
            "num_crops": num_crops,
        },
        "training_seconds": round(seconds),
        "hardware": f"{platform.machine()} CPU, {torch.get_num_threads()} threads",
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
        "validation": report.to_json_values(),
    }
