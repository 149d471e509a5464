"""`qaconv-training synthesise`: a synthetic camera network as a folder of crops."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from training.command_line.command_error import failure
from training.datasets.crop_folder import write_crop_folder
from training.datasets.labelled_crop import LabelledCrop
from training.datasets.manifest_time import END_SECONDS
from training.synthetic.network import SyntheticNetwork

# Ten years, before the times that a manifest may have end.
_LONGEST_NETWORK_SECONDS = 10 * 365.25 * 86_400

console = Console()


def synthesise(
    folder: Annotated[Path, typer.Argument(help="New or empty.")],
    people: Annotated[int, typer.Option(min=1)] = 40,
    cameras: Annotated[int, typer.Option(min=1)] = 5,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    start_time: Annotated[float, typer.Option(help="Unix seconds of the first arrival.")] = 1_800_000_000.0,
) -> None:
    """Draw a synthetic camera network into a folder: crops and detections.csv."""
    # Written the other way round, not-a-number would pass.
    if not 0 <= start_time < END_SECONDS - _LONGEST_NETWORK_SECONDS:
        raise typer.BadParameter(f"--start-time is {start_time}: give Unix seconds from 1970 to before 2190")
    network = SyntheticNetwork(seed, people, cameras, start_time)
    try:
        number = write_crop_folder(folder, _with_progress(network, len(network)))
    except FileExistsError as error:
        raise typer.BadParameter(str(error)) from error
    except OSError as error:
        raise failure(error) from error
    console.print(f"{number} crops of {people} people from {cameras} cameras in {folder}")


def _with_progress(crops: Iterable[LabelledCrop], total: int) -> Iterator[LabelledCrop]:
    yield from track(crops, "drawing", total=total, console=console, transient=True)
