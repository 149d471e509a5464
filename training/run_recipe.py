"""A whole training run: get crops, train, evaluate on people never seen, and say how the checkpoint came about."""

import platform
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from model.checkpoint import Checkpoint
from model.temporal_lifting import LiftingParameters
from training.datasets.crop_pixels import read_crop_pixels
from training.distributed import process_number
from training.duration import estimate_seconds
from training.evaluate import EvaluationReport, EvaluationSettings, evaluate
from training.objectives.build_objective import compares_pooled_features
from training.precision import choose_device
from training.recipe import Recipe
from training.run_folder import RunFolder
from training.run_observer import OnValidation, RunObserver
from training.sources.drawn_networks import DrawnNetworks, OnProgress, build_network, draw_networks
from training.sources.fresh_renderings import FreshCrops, FreshRenderings
from training.sources.named_dataset import NamedDataset, read_named_dataset
from training.sources.training_crops import TrainingCrops
from training.starting_weights import starting_model
from training.synthetic.crop import render_fresh_crop
from training.trainer import OnStep, train

OnEstimate = Callable[[float], None]

# Validation crops are kept at this size, which is between those of the usual stages.
_VALIDATION_SIZE = (256, 128)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A trained model, with its provenance, and its figures."""

    checkpoint: Checkpoint
    report: EvaluationReport


def run_recipe(
    recipe: Recipe,
    num_processes: int,
    *,
    on_progress: OnProgress,
    on_step: OnStep,
    on_validation: OnValidation,
    on_estimate: OnEstimate = lambda seconds: None,
    folder: RunFolder | None = None,
) -> FinishedRun | None:
    """Run a recipe from its seed, or from where it was stopped, to a checkpoint ready to be saved.

    Args:
        recipe: what to do.
        num_processes: that draw or read crops beforehand; training itself uses PyTorch's threads.
        on_progress: called with what is being done, how much of it is done, and of how much.
        on_step: called after every step.
        on_validation: called after every epoch.
        on_estimate: called before a new run's first step with about how many seconds its training will take, the last
            evaluation not included; not where a run goes on.
        folder: where state, checkpoints and TensorBoard's log are kept; None for nowhere.

    Returns:
        What came of it; None in joined processes but the first.

    Raises:
        ImageNetWeightsUnavailable: the recipe asks for them and they cannot be had.
        TrainingDiverged: training ran away.
        OSError, ValueError: crops cannot be read, or the recipe does not fit them, the folder or the machine.
    """
    is_new = folder is None or not folder.state_path.exists()
    if is_new:
        # Fails now and not after minutes of drawing where ImageNet's weights, or a checkpoint's, are not to be had.
        starting_model(recipe)
    with open_source(recipe, num_processes, on_progress) as crops:
        validation = read_crop_pixels(build_network(recipe.validation), *_VALIDATION_SIZE, num_processes)
        if is_new:
            seconds = estimate_seconds(recipe, crops, validation)
            if process_number() == 0:
                on_estimate(seconds)
        with closing(RunObserver(recipe, validation, folder, on_step, on_validation)) as observer:
            state_path = folder.state_path if folder is not None else None
            model = train(recipe, crops, observer.observe_step, observer.observe_epoch, state_path)
        data = _describe_data(recipe, crops)
    if process_number() != 0:
        return None
    settings = evaluation_settings(recipe)
    report = evaluate(model, build_network(recipe.validation), LiftingParameters(), on_progress, settings)
    return FinishedRun(replace(model, provenance={**model.provenance, **describe_run(recipe, data, report)}), report)


@contextmanager
def open_source(recipe: Recipe, num_processes: int, on_progress: OnProgress) -> Iterator[TrainingCrops]:
    """The crops of a recipe's source, drawn or read; renderings only with the first step."""
    source = recipe.source
    match source:
        case DrawnNetworks():
            yield draw_networks(source, num_processes, on_progress)
        case NamedDataset():
            yield read_named_dataset(source, recipe.model_config, num_processes, on_progress)
        case FreshRenderings():
            with closing(FreshCrops(source, render_fresh_crop, on_progress)) as fresh:
                yield fresh


def evaluation_settings(recipe: Recipe) -> EvaluationSettings:
    """The usual, by what was trained: a recipe on pooled features leaves its matcher as it was at random."""
    return EvaluationSettings(score_by="pooled_cosine" if compares_pooled_features(recipe.objective) else "matching")


def describe_run(recipe: Recipe, data: dict[str, object], report: EvaluationReport) -> dict[str, object]:
    """Provenance as JSON values: recipe, data, machine, versions and figures."""
    device = choose_device(recipe.device)
    hardware = f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    return {
        "recipe": asdict(recipe),
        "data": data,
        "hardware": hardware,
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
        "validation": report.to_json_values(),
    }


def _describe_data(recipe: Recipe, crops: TrainingCrops) -> dict[str, object]:
    source = recipe.source
    return {
        "source": source.dataset if isinstance(source, NamedDataset) else "synthetic camera network, no real person",
        "num_people": crops.num_people,
        "num_crops": crops.num_crops,
    }
