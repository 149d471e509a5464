"""`qaconv-service reindex-report`: how rankings change by another model, before the gallery is switched to it."""

import json
import os
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.command_line.command_error import CommandError
from service.command_line.long_work import show_progress
from service.command_line.serve_settings import settings_from_flags
from service.errors import ServiceError

if TYPE_CHECKING:  # It brings PyTorch, which takes seconds to import: --help does without it.
    from model.retrieval_metrics import RetrievalMetrics
    from service.reindex.ranking_report import RankingReport

_Text = str | None

_QUERIES_PRINTED = 10


def reindex_report_command(
    *,
    old_checkpoint: Annotated[Path, typer.Option(metavar="FILE", help="Checkpoint of the model that serves.")],
    checkpoint: Annotated[str, typer.Option(metavar="FILE", help="Checkpoint of the new model.")],
    data_dir: Annotated[_Text, typer.Option(metavar="FOLDER", help="The service's (default qaconv-data).")] = None,
    device: Annotated[_Text, typer.Option(metavar="NAME", help="cpu, cuda, cuda:N or auto (default auto).")] = None,
    queries: Annotated[int, typer.Option(min=1, max=10_000, help="Stored detections searched for at most.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the draw of these.")] = 0,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write everything there too, as JSON.", dir_okay=False)
    ] = None,
) -> None:
    """Say how rankings change, after `reindex` and before the switch: stored detections searched for by both models."""
    settings = settings_from_flags({"checkpoint": checkpoint, "data_dir": data_dir, "device": device})
    runner = import_module("service.reindex.run_reindex")
    try:
        with show_progress() as advance:
            report = runner.run_report(
                settings, old_checkpoint, queries, seed, lambda done, total: advance("scoring", done, total)
            )
        if output is not None:
            _write(report, output)
    except (OSError, ValueError, RuntimeError, ServiceError) as error:
        raise CommandError(f"there is no report: {' '.join(str(error).split())}") from error
    for line in _lines(report):
        typer.echo(line)


def _write(report: "RankingReport", path: Path) -> None:
    """Private to who asked for it: it says whose pictures resemble whose."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(report), file, indent=2)
        file.write("\n")


def _lines(report: "RankingReport") -> list[str]:
    changes = report.changes
    lines = [
        f"{len(changes.queries)} queries against {report.compared} of {report.detections} detections",
        f"same best match:                     {changes.same_best_share:.1%} of the queries",
        f"overlap of the ten best:             {changes.mean_top_overlap:.1%} on average",
        f"new rank of what was the best match: {changes.mean_new_rank_of_old_best:.2f} on average",
    ]
    if changes.old_metrics is None or changes.new_metrics is None:
        lines.append("no query has its person in another camera: accuracy was not measured")
    else:
        lines.append(f"accuracy, {changes.old_metrics.num_queries} queries with a person in another camera:")
        lines += [_metrics_line("old", changes.old_metrics), _metrics_line("new", changes.new_metrics)]
    changed = [each for each in changes.queries if each.top_overlap < 1 or each.new_rank_of_old_best > 1]
    if changed:
        lines.append("the queries that changed most:")
    lines += [
        f"  {each.detection_id}: best match {each.old_best_id} → {each.new_best_id}, the old one ranks "
        f"{each.new_rank_of_old_best} now; overlap {each.top_overlap:.0%}"
        for each in changed[:_QUERIES_PRINTED]
    ]
    return lines


def _metrics_line(name: str, metrics: "RetrievalMetrics") -> str:
    return f"  {name}: rank-1 {metrics.rank1:.1%}, mAP {metrics.mean_average_precision:.1%}"
