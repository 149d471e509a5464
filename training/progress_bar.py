"""Shows people how far a long piece of work is."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TaskID

from training.evaluation.progress import OnProgress


@contextmanager
def progress_bar(*, is_wanted: bool = True) -> Iterator[OnProgress]:
    """A bar for each stage on standard error, which leaves standard output to programs; gone at the end.

    It appears with the first report, so that what is printed before it is not drawn over; never where it is not wanted,
    as in joined processes but the first.
    """
    console = Console(stderr=True)
    # Without a terminal there is nothing to draw on.
    is_drawn = is_wanted and console.is_interactive
    progress = Progress(console=console, transient=True, disable=not is_drawn)
    bars: dict[str, TaskID] = {}

    def show(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            progress.start()
            bars[stage] = progress.add_task(stage, total=total)
        progress.update(bars[stage], completed=done)

    try:
        yield show
    finally:
        # Of a bar that no terminal showed, rich would leave an empty line.
        if bars and is_drawn:
            progress.stop()
