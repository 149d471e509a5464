"""`qaconv-training train`: from a recipe to a checkpoint."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from model.backbone import ImageNetWeightsUnavailable
from model.checkpoint import Checkpoint, save_checkpoint
from training.command_line.command_error import check_output, failure
from training.evaluation_table import build_evaluation_table
from training.progress_bar import progress_bar
from training.recipes import RECIPES
from training.run_recipe import run_recipe
from training.trainer import StepReport

_STEPS_BETWEEN_REPORTS = 50

console = Console()


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
    check_output(output)
    num_threads = threads or os.cpu_count() or 1
    torch.set_num_threads(num_threads)
    recipe = replace(RECIPES[recipe_name](), imagenet_weights=imagenet_weights)
    try:
        with progress_bar() as show_progress:
            finished = run_recipe(recipe, num_threads, _print_drawn, _print_step, show_progress)
        save_checkpoint(finished.checkpoint, output)
    except (ImageNetWeightsUnavailable, OSError, ValueError) as error:
        raise failure(error) from error
    console.print(build_evaluation_table(finished.report))
    console.print(f"saved {output}")


def _print_drawn(done: int, total: int) -> None:
    console.print(f"drew {done} of {total} training networks")


def _print_step(report: StepReport, _model: Checkpoint) -> None:
    if report.step % _STEPS_BETWEEN_REPORTS == 0:
        console.print(
            f"stage {report.stage} step {report.step}: matching loss {report.matching_loss:.3f}, "
            f"contrastive loss {report.contrastive_loss:.3f}, learning rate {report.learning_rate:.4f}"
        )
