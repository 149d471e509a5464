"""`qaconv-training evaluate`: how well a checkpoint, or a running service, finds people."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.console import Console

from model.checkpoint import CheckpointError, load_checkpoint, shipped_checkpoint_path
from model.reranking import RerankingParameters
from model.temporal_lifting import LiftingParameters
from training.command_line.command_error import check_output, failure
from training.datasets.benchmarks import DATASETS, open_dataset
from training.datasets.dataset import Dataset
from training.datasets.labelled_crop import LabelledCrop
from training.evaluate import EvaluationReport, EvaluationSettings, evaluate
from training.evaluate_service import ServiceEvaluationError, ServiceReport, evaluate_service, open_service
from training.evaluation_table import build_evaluation_table, build_figures_table
from training.progress_bar import progress_bar
from training.synthetic.network import SyntheticNetwork

# The defaults of the authors' code; those of `LiftingParameters` are the paper's.
_PUBLISHED_CODE = LiftingParameters(tau_seconds=100, sigma_seconds=200, num_pivots=10, alpha=0.2)
_FOLDER_OF_A_DATASET = (
    "Where the dataset is; without --dataset, crops with detections.csv. Default: a synthetic network."
)
_LIFTING, _BASELINES, _SERVICE = "Temporal lifting", "Controls", "A running service"

console = Console()


def evaluate_checkpoint(
    *,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the one that comes with the project.")] = None,
    dataset: Annotated[str | None, typer.Option(help=f"One of {', '.join(DATASETS)}; with --folder.")] = None,
    folder: Annotated[Path | None, typer.Option(help=_FOLDER_OF_A_DATASET)] = None,
    people: Annotated[int, typer.Option(min=2, help="Of the synthetic network.")] = 60,
    cameras: Annotated[int, typer.Option(min=2, help="Of the synthetic network.")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Of the synthetic network.")] = 9002,
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
    lifting: Annotated[
        Literal["paper", "authors"],
        typer.Option(help="Parameters of the paper, or of its authors' code.", rich_help_panel=_LIFTING),
    ] = "paper",
    tau_seconds: Annotated[float | None, typer.Option(help="Instead of theirs.", rich_help_panel=_LIFTING)] = None,
    sigma_seconds: Annotated[float | None, typer.Option(help="Likewise.", rich_help_panel=_LIFTING)] = None,
    num_pivots: Annotated[int | None, typer.Option(help="Likewise.", rich_help_panel=_LIFTING)] = None,
    alpha: Annotated[float | None, typer.Option(help="Likewise.", rich_help_panel=_LIFTING)] = None,
    nearby_from: Annotated[
        Literal["gallery", "queries"],
        typer.Option(
            help="Who may be near a query: the gallery, as in the service, or other queries, as in the authors' code.",
            rich_help_panel=_LIFTING,
        ),
    ] = "gallery",
    score_by: Annotated[
        Literal["matching", "pooled_cosine"],
        typer.Option(help="What a model was trained for: matching, or pooled features as of paper_softmax."),
    ] = "matching",
    reranking: Annotated[bool, typer.Option(help="Re-rank too, which compares the gallery with itself.")] = True,
    shuffle_times: Annotated[
        int | None,
        typer.Option(
            metavar="SEED", help="Lift by shuffled times too, which must gain nothing.", rich_help_panel=_BASELINES
        ),
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Rank by the untrained model too.", rich_help_panel=_BASELINES)
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="Measure the service that runs there instead.", rich_help_panel=_SERVICE)
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="Holds its API key; or set QACONV_API_KEY.", rich_help_panel=_SERVICE)
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Do not erase what was ingested.", rich_help_panel=_SERVICE)
    ] = False,
    output: Annotated[Path | None, typer.Option(help="A JSON file for the figures.")] = None,
    plots: Annotated[Path | None, typer.Option(help="A folder for plots; needs matplotlib.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> None:
    """CMC, mAP and mINP: by appearance, re-ranked, with temporal lifting, both, and beside baselines."""
    _check(dataset=dataset, folder=folder, checkpoint=checkpoint, output=output, plots=plots, url=url)
    _check_device(device)
    parameters = _choose_lifting(lifting, tau_seconds, sigma_seconds, num_pivots, alpha)
    settings = EvaluationSettings(
        reranking=RerankingParameters() if reranking else None,
        nearby_from=nearby_from,
        shuffle_times_seed=shuffle_times,
        random_weights=random_weights,
        score_by=score_by,
        device=device,
    )
    report: EvaluationReport | ServiceReport
    try:
        crops = open_dataset(dataset or "csv", folder) if folder else SyntheticNetwork(seed, people, cameras)
        if url is None:
            report = _evaluate(checkpoint or shipped_checkpoint_path(), crops, parameters, settings)
        else:
            report = _evaluate_service(url, api_key_file, crops, parameters, keep=keep)
        if folder is None:
            report = replace(report, dataset=f"synthetic network {seed}")
        if output is not None:
            output.write_text(json.dumps(report.to_json_values(), indent=2) + "\n", encoding="utf-8")
        if plots is not None:
            # An import would ask for matplotlib of everybody.
            import_module("training.evaluation.plots").draw_plots(report, plots)
    except (CheckpointError, ServiceEvaluationError, OSError, ValueError) as error:
        raise failure(error) from error
    if as_json:
        typer.echo(json.dumps(report.to_json_values()))
    else:
        _print(report)


def _check(
    *,
    dataset: str | None,
    folder: Path | None,
    checkpoint: Path | None,
    output: Path | None,
    plots: Path | None,
    url: str | None,
) -> None:
    """Refuses before the work what could not be done after it."""
    if dataset is not None and folder is None:
        raise typer.BadParameter(f"--dataset {dataset} needs --folder, where it is: nothing is downloaded")
    if url is not None and (checkpoint is not None or plots is not None):
        raise typer.BadParameter(
            "with --url the service's own model is measured, by ranks alone: leave out --checkpoint and --plots"
        )
    if output is not None:
        check_output(output)
    if plots is not None and plots.exists() and not plots.is_dir():
        raise typer.BadParameter(f"--plots {plots} is a file: give a folder")
    if plots is not None and find_spec("matplotlib") is None:
        raise typer.BadParameter("--plots needs matplotlib: pip install 'qaconv[plots]', or leave it out")


def _check_device(name: str) -> None:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise typer.BadParameter(f"--device is {name!r}: give cpu, cuda, or one of several as cuda:1") from error
    if device.type not in ("cpu", "cuda"):
        raise typer.BadParameter(f"--device is {name!r}: give cpu, cuda, or one of several as cuda:1")
    num_found = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= num_found:
        raise typer.BadParameter(f"--device is {name!r}, and PyTorch finds {num_found} CUDA devices: give cpu")


def _choose_lifting(
    lifting: str, tau_seconds: float | None, sigma_seconds: float | None, num_pivots: int | None, alpha: float | None
) -> LiftingParameters:
    chosen = LiftingParameters() if lifting == "paper" else _PUBLISHED_CODE
    try:
        return LiftingParameters(
            tau_seconds=chosen.tau_seconds if tau_seconds is None else tau_seconds,
            sigma_seconds=chosen.sigma_seconds if sigma_seconds is None else sigma_seconds,
            num_pivots=chosen.num_pivots if num_pivots is None else num_pivots,
            alpha=chosen.alpha if alpha is None else alpha,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _evaluate(
    checkpoint: Path,
    crops: Sequence[LabelledCrop] | Dataset,
    parameters: LiftingParameters,
    settings: EvaluationSettings,
) -> EvaluationReport:
    with progress_bar() as show_progress:
        return evaluate(load_checkpoint(checkpoint), crops, parameters, show_progress, settings)


def _evaluate_service(
    url: str,
    api_key_file: Path | None,
    crops: Sequence[LabelledCrop] | Dataset,
    parameters: LiftingParameters,
    *,
    keep: bool,
) -> ServiceReport:
    # Never an argument: those show in the list of processes.
    key = api_key_file.read_text("utf-8").strip() if api_key_file else os.environ.get("QACONV_API_KEY") or None
    with open_service(url, key) as client, progress_bar() as show_progress:
        return evaluate_service(client, crops, parameters, keep=keep, on_progress=show_progress)


def _print(report: EvaluationReport | ServiceReport) -> None:
    if isinstance(report, EvaluationReport):
        console.print(build_evaluation_table(report))
        return
    table = build_figures_table(report.dataset, report.other_cameras, report.all_cameras, report.num_crops)
    cut = ""
    if report.is_cut:
        cut = (
            "; of more than 1,000 candidates a search answers the first 1,000: a query's average precision is off by "
            "at most about 0.1 % for each of its right crops beyond them, and mINP is not to be quoted"
        )
    table.caption = f"measured through the service; model {report.model[:12]}{cut}"
    console.print(table)
