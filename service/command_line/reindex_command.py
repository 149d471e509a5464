"""`qaconv-service reindex`: makes the gallery's feature maps anew for another model, while the service serves."""

from collections.abc import Callable
from importlib import import_module
from typing import Annotated

import typer

from service.command_line.command_error import USAGE, CommandError
from service.command_line.long_work import Advance, show_progress
from service.command_line.serve_settings import settings_from_flags
from service.errors import ServiceError
from service.reindex.reindex_progress import ReindexProgress, ReindexSummary

# Values stay text here: `Settings` is the one place that knows what each may be.
_Text = str | None

# On a CPU the shipped model makes 33 maps a second in batches of 2 to 8, and 18 in batches of 16 to 64.
_BATCH = 8


def reindex_command(
    *,
    checkpoint: Annotated[_Text, typer.Option(metavar="FILE", help="Checkpoint of the new model.")] = None,
    data_dir: Annotated[_Text, typer.Option(metavar="FOLDER", help="The service's (default qaconv-data).")] = None,
    device: Annotated[_Text, typer.Option(metavar="NAME", help="cpu, cuda, cuda:N or auto (default auto).")] = None,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Crops in one call of the extractor.")] = _BATCH,
    discard: Annotated[
        bool, typer.Option("--discard", help="Drop what a reindex for another model has made, and begin this one.")
    ] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Drop what a reindex has made, and end.")] = False,
) -> None:
    """Make all feature maps anew from the stored crops, for another model, beside those that serve.

    The service may run meanwhile; its answers do not change. Stop this at any time and run it again: it goes on where
    it stopped. Then start the service with the new checkpoint, which switches the gallery to it.
    """
    if (checkpoint is None) == (not abandon):
        raise CommandError("give either --checkpoint FILE, the new model, or --abandon", exit_status=USAGE)
    settings = settings_from_flags({"checkpoint": checkpoint, "data_dir": data_dir, "device": device})
    # By name, because it brings PyTorch, which takes seconds to import: --help does without it.
    runner = import_module("service.reindex.run_reindex")
    try:
        if abandon:
            typer.echo(f"{runner.run_abandon(settings)} feature maps made anew were dropped; the gallery is as it was")
            return
        with show_progress() as advance:
            summary = runner.run_reindex(settings, batch, discards=discard, report=_reporter(advance))
    except (OSError, ValueError, RuntimeError, ServiceError) as error:
        raise CommandError(f"the reindex ended: {' '.join(str(error).split())}") from error
    _print_summary(summary, checkpoint)


def _reporter(advance: Advance) -> Callable[[ReindexProgress], None]:
    def report(progress: ReindexProgress) -> None:
        what = "reindexing" if progress.pass_number == 1 else "reindexing what was added meanwhile"
        advance(what, progress.done, progress.total)

    return report


def _print_summary(summary: ReindexSummary, checkpoint: str | None) -> None:
    for detection_id, reason in summary.failed.items():
        typer.echo(f"{detection_id}: {reason}", err=True)
    typer.echo(
        f"{summary.made} feature maps made anew in {summary.seconds:.1f} s; {summary.skipped} were there; "
        f"{len(summary.failed)} cannot be made"
        + (
            f"; {summary.remaining} detections were added meanwhile, the switch makes theirs"
            if summary.remaining
            else ""
        )
    )
    if summary.failed:
        typer.echo("those that cannot be made keep their old map, and no search compares with them after the switch")
    typer.echo(f"to switch, start the service again with --checkpoint {checkpoint}")
