"""`qaconv-training evaluate`: how well a checkpoint finds people."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from model.checkpoint import CheckpointError, load_checkpoint, shipped_checkpoint_path
from model.temporal_lifting import LiftingParameters
from training.command_line.command_error import failure
from training.datasets.crop_folder import read_crop_folder
from training.evaluate import evaluate
from training.evaluation_table import build_evaluation_table
from training.progress_bar import progress_bar
from training.synthetic.network import SyntheticNetwork

console = Console()


def evaluate_checkpoint(
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
        raise failure(error) from error
    if as_json:
        typer.echo(json.dumps(report.to_json_values()))
    else:
        console.print(build_evaluation_table(report))
