"""`qaconv-training import`: a checkpoint that the authors published as one that the service serves."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from model.checkpoint import CheckpointError
from training.command_line.command_error import check_output, failure
from training.import_published import import_published

console = Console()


def import_checkpoint(
    published: Annotated[Path, typer.Argument(help="The authors' checkpoint.pth.tar; no code in it is run.")],
    output: Annotated[Path, typer.Option(help="Where the checkpoint goes.")],
    input_height: Annotated[int, typer.Option(min=1, help="Of the crops that it was trained on.")] = 384,
    input_width: Annotated[int, typer.Option(min=1)] = 128,
    name: Annotated[str | None, typer.Option(help="How answers call it; default: the file's name.")] = None,
) -> None:
    """Convert a checkpoint that the authors published (ShengcaiLiao/QAConv) to one that the service serves."""
    check_output(output)
    try:
        imported = import_published(published, output, input_height, input_width, name)
    except (CheckpointError, OSError) as error:
        raise failure(error) from error
    config = imported.config
    console.print(
        f"{imported.name}: {config.backbone} up to {config.final_layer}, {config.channels} channels, "
        f"crops of {config.input_height}x{config.input_width}"
    )
    console.print(f"saved {output}")
