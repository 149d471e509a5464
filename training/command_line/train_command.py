"""`qaconv-training train`: from a recipe to a checkpoint."""

import os
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from model.checkpoint import save_checkpoint
from model.imagenet_weights import ImageNetWeightsUnavailable
from model.retrieval_metrics import RetrievalMetrics
from training.command_line.command_error import check_output, failure
from training.datasets.benchmarks import DATASETS
from training.distributed import joined_processes, num_local_processes, process_number
from training.evaluation_table import build_evaluation_table
from training.precision import choose_device
from training.progress_bar import progress_bar
from training.recipe import Recipe
from training.recipe_fields import list_fields, set_fields
from training.recipes import RECIPES
from training.run_folder import RunFolder
from training.run_recipe import FinishedRun, run_recipe
from training.sources.drawn_networks import OnProgress
from training.sources.named_dataset import NamedDataset
from training.step_report import StepReport
from training.tensorboard_log import TensorBoardMissing, check_tensorboard
from training.trainer import TrainingDiverged

_STEPS_BETWEEN_REPORTS = 50
_CHECKPOINT_SUFFIX = ".safetensors"

_FAILURES = (
    ImageNetWeightsUnavailable,
    TrainingDiverged,
    TensorBoardMissing,
    BrokenProcessPool,  # a process that draws or reads was killed
    OSError,
    ValueError,
)

console = Console()


def train(
    *,
    recipe_name: Annotated[str, typer.Argument(metavar="RECIPE", help=f"One of {', '.join(RECIPES)}.")],
    output: Annotated[
        Path | None,
        typer.Option(
            help=f"A file *{_CHECKPOINT_SUFFIX} for the checkpoint alone; or a folder for the last and the best "
            "checkpoint, TensorBoard's log and the state, from which the same command goes on where it was stopped."
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help=f"Train on a dataset of --folder: one of {', '.join(DATASETS)}.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the dataset is.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the recipe, as optimizer.momentum=0.8."),
    ] = None,
    list_all_fields: Annotated[
        bool, typer.Option("--list-fields", help="Print the recipe's fields and their values, and train nothing.")
    ] = False,
    threads: Annotated[
        int, typer.Option(help="CPU threads; 0 for the cores, divided among the processes of torchrun.", min=0)
    ] = 0,
    imagenet_weights: Annotated[
        bool, typer.Option("--imagenet-weights", help="Start from ImageNet weights: torchvision's, or a package's.")
    ] = False,
    start_from: Annotated[
        Path | None,
        typer.Option(help="Start from a checkpoint's weights, of the same architecture: train it further, on yours."),
    ] = None,
) -> None:
    """Draw, render or read the recipe's crops, train, evaluate on people never seen, save the checkpoint.

    Several GPUs: `torchrun --nproc-per-node N -m training.main train …`; the batch is divided among them.
    """
    if start_from is not None:
        settings = [f"start_from={start_from}", *(settings or [])]
    recipe = _build_recipe(recipe_name, dataset, folder, settings or [], imagenet_weights)
    if list_all_fields:
        for name, value in list_fields(recipe):
            typer.echo(f"{name}={_as_given(value)}")
        return
    if output is None:
        raise typer.BadParameter("--output says where the checkpoint goes: give a file *.safetensors, or a folder")
    keeps_folder = output.suffix != _CHECKPOINT_SUFFIX
    if not keeps_folder:
        check_output(output)
    num_threads = threads or max(1, (os.cpu_count() or 1) // num_local_processes())
    torch.set_num_threads(num_threads)
    try:
        if keeps_folder:
            check_tensorboard()
        run_folder = RunFolder(output) if keeps_folder else None
        with (
            joined_processes(choose_device(recipe.device)),
            progress_bar(is_wanted=process_number() == 0) as show_progress,
        ):
            finished = _run(recipe, num_threads, run_folder, show_progress)
        if finished is None:
            return
        saved = run_folder.keep_finished(finished.checkpoint) if run_folder is not None else output
        if run_folder is None:
            save_checkpoint(finished.checkpoint, output)
    except _FAILURES as error:
        raise failure(error) from error
    console.print(build_evaluation_table(finished.report))
    console.print(f"saved {saved}")


def _build_recipe(
    name: str, dataset: str | None, folder: Path | None, settings: list[str], imagenet_weights: bool
) -> Recipe:
    if name not in RECIPES:
        raise typer.BadParameter(f"{name!r} is no recipe: give one of {', '.join(RECIPES)}")
    if (dataset is None) != (folder is None):
        raise typer.BadParameter("--dataset says what is in --folder: give both, or neither to train on drawn people")
    recipe = RECIPES[name]()
    # A recipe may ask for them by itself; a checkpoint to start from takes their place.
    starts_from_file = any(setting.startswith("start_from=") for setting in settings)
    recipe = replace(recipe, imagenet_weights=imagenet_weights or (recipe.imagenet_weights and not starts_from_file))
    try:
        if dataset is not None:
            recipe = replace(recipe, source=NamedDataset(dataset, str(folder)))
        return set_fields(recipe, settings)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _as_given(value: object) -> str:
    """A field's value as `--set` takes it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _run(recipe: Recipe, num_threads: int, folder: RunFolder | None, show_progress: OnProgress) -> FinishedRun | None:
    def show_step(report: StepReport) -> None:
        show_progress(f"stage {report.stage} epoch {report.epoch}", report.step_of_epoch, report.steps)
        if report.step % _STEPS_BETWEEN_REPORTS == 0:
            _print_step(report)

    return run_recipe(
        recipe,
        num_threads,
        on_progress=show_progress,
        on_step=show_step,
        on_validation=_print_validation,
        on_estimate=_print_estimate,
        folder=folder,
    )


def _print_estimate(seconds: float) -> None:
    hours, minutes = divmod(round(seconds / 60), 60)
    told = f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "less than a minute"
    console.print(f"training will take about {told}, by a few steps of each stage; an evaluation comes after it")


def _print_step(report: StepReport) -> None:
    parts = ", ".join(f"{name} {value:.3f}" for name, value in report.parts)
    accuracy = "no accuracy" if report.accuracy is None else f"accuracy {report.accuracy:.2f}"
    console.print(
        f"stage {report.stage} epoch {report.epoch} step {report.step}: {parts}, {accuracy}, "
        f"learning rate {report.learning_rate:.4f}, {report.crops_per_second:.0f} crops/s"
    )


def _print_validation(stage: int, epoch: int, metrics: RetrievalMetrics) -> None:
    console.print(
        f"stage {stage}, {epoch} epochs over: on people never seen mean average precision "
        f"{metrics.mean_average_precision:.3f}, rank-1 {metrics.rank1:.3f}"
    )
