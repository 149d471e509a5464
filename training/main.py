"""The command line of training: `qaconv-training train | evaluate | synthesise | import`."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track

from model.backbone import ImageNetWeightsUnavailable
from model.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint, shipped_checkpoint_path
from model.temporal_lifting import LiftingParameters
from training.datasets.crop_folder import read_crop_folder, write_crop_folder
from training.datasets.labelled_crop import LabelledCrop
from training.evaluate import evaluate
from training.evaluation_table import build_evaluation_table
from training.import_published import import_published
from training.progress_bar import progress_bar
from training.recipes import RECIPES
from training.run_recipe import run_recipe
from training.synthetic.network import SyntheticNetwork
from training.trainer import StepReport

_STEPS_BETWEEN_REPORTS = 50

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Trains and evaluates matching checkpoints.")
console = Console()


def main() -> None:
    """Entry point of `qaconv-training`."""
    app()


@app.command()
def train(
    recipe_name: Annotated[str, typer.Argument(metavar="RECIPE", help=f"One of {', '.join(RECIPES)}.")],
    output: Annotated[Path, typer.Option(help="Where the checkpoint goes.")],
    threads: Annotated[int, typer.Option(help="CPU threads; 0 for one on each core.", min=0)] = 0,
    imagenet_weights: Annotated[
        bool, typer.Option("--imagenet-weights", help="Start from torchvision's ImageNet weights, downloaded once.")
    ] = False,
) -> None:
    """Draw the recipe's people, train, evaluate on people never seen, save the checkpoint."""
    if recipe_name not in RECIPES:
        raise typer.BadParameter(f"{recipe_name!r} is no recipe: give one of {', '.join(RECIPES)}")
    _check_output(output)
    num_threads = threads or os.cpu_count() or 1
    torch.set_num_threads(num_threads)
    recipe = replace(RECIPES[recipe_name](), imagenet_weights=imagenet_weights)
    try:
        with progress_bar() as show_progress:
            finished = run_recipe(recipe, num_threads, _print_drawn, _print_step, show_progress)
        save_checkpoint(finished.checkpoint, output)
    except (ImageNetWeightsUnavailable, OSError, ValueError) as error:
        raise _failure(error) from error
    console.print(build_evaluation_table(finished.report))
    console.print(f"saved {output}")


@app.command("evaluate")
def evaluate_command(
    *,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the one that comes with the project.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Crops with detections.csv; default: a synthetic network.")
    ] = None,
    people: Annotated[int, typer.Option(min=2)] = 60,
    cameras: Annotated[int, typer.Option(min=2)] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Of the synthetic network.")] = 9002,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Rank-1, rank-5, rank-10 and mean average precision, with and without temporal lifting."""
    try:
        model = load_checkpoint(checkpoint or shipped_checkpoint_path())
        crops = read_crop_folder(folder) if folder else SyntheticNetwork(seed, people, cameras)
        with progress_bar() as show_progress:
            report = evaluate(model, crops, LiftingParameters(), show_progress)
    except (CheckpointError, OSError, ValueError) as error:
        raise _failure(error) from error
    if as_json:
        typer.echo(json.dumps(report.to_json_values()))
    else:
        console.print(build_evaluation_table(report))


@app.command()
def synthesise(
    folder: Annotated[Path, typer.Argument(help="New or empty.")],
    people: Annotated[int, typer.Option(min=1)] = 40,
    cameras: Annotated[int, typer.Option(min=1)] = 5,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    start_time: Annotated[float, typer.Option(help="Unix seconds of the first arrival.")] = 1_800_000_000.0,
) -> None:
    """Draw a synthetic camera network into a folder: crops and detections.csv."""
    network = SyntheticNetwork(seed, people, cameras, start_time)
    try:
        number = write_crop_folder(folder, _with_progress(network, len(network)))
    except FileExistsError as error:
        raise typer.BadParameter(str(error)) from error
    console.print(f"{number} crops of {people} people from {cameras} cameras in {folder}")


@app.command("import")
def import_command(
    published: Annotated[Path, typer.Argument(help="The authors' checkpoint.pth.tar; no code in it is run.")],
    output: Annotated[Path, typer.Option(help="Where the checkpoint goes.")],
    input_height: Annotated[int, typer.Option(min=1, help="Of the crops that it was trained on.")] = 384,
    input_width: Annotated[int, typer.Option(min=1)] = 128,
    name: Annotated[str | None, typer.Option(help="How answers call it; default: the file's name.")] = None,
) -> None:
    """Convert a checkpoint that the authors published (ShengcaiLiao/QAConv) to one that the service serves."""
    _check_output(output)
    try:
        imported = import_published(published, output, input_height, input_width, name)
    except (CheckpointError, OSError) as error:
        raise _failure(error) from error
    config = imported.config
    console.print(
        f"{imported.name}: {config.backbone} up to {config.final_layer}, {config.channels} channels, "
        f"crops of {config.input_height}x{config.input_width}"
    )
    console.print(f"saved {output}")


def _check_output(output: Path) -> None:
    """Refuses before the work what could not be written after it."""
    if not output.parent.is_dir():
        raise typer.BadParameter(f"the folder {output.parent} of --output does not exist: make it first")
    if output.is_dir():
        raise typer.BadParameter(f"--output {output} is a folder: give the name of a file")
    try:
        # By trying: permissions alone do not tell of a file system that is mounted read-only.
        tempfile.TemporaryFile(dir=output.parent).close()
    except OSError as error:
        reason = error.strerror or error
        raise typer.BadParameter(
            f"the folder {output.parent} of --output cannot be written to ({reason}): give another"
        ) from error


def _failure(error: Exception) -> typer.Exit:
    """Tells in one line what went wrong: some messages of PyTorch take many."""
    typer.echo(f"qaconv-training: {' '.join(str(error).split())}", err=True)
    return typer.Exit(1)


def _with_progress(crops: Iterable[LabelledCrop], total: int) -> Iterator[LabelledCrop]:
    yield from track(crops, "drawing", total=total, console=console, transient=True)


def _print_drawn(done: int, total: int) -> None:
    console.print(f"drew {done} of {total} training networks")


def _print_step(report: StepReport, _model: Checkpoint) -> None:
    if report.step % _STEPS_BETWEEN_REPORTS == 0:
        console.print(
            f"stage {report.stage} step {report.step}: matching loss {report.matching_loss:.3f}, "
            f"contrastive loss {report.contrastive_loss:.3f}, learning rate {report.learning_rate:.4f}"
        )


if __name__ == "__main__":
    main()
