"""How far long work is: a bar on a terminal, now and then a line elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# A log that somebody follows, and that a night's work does not fill.
_SECONDS_BETWEEN_LINES = 5.0

Advance = Callable[[str, int, int], None]


@contextmanager
def show_progress() -> Iterator[Advance]:
    """Gives a function to be called with what is being done, how much of it is done, and of how much."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Lines(console).advance
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None)
        yield lambda what, done, total: progress.update(task, description=what, completed=done, total=total)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = float("-inf")

    def advance(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            self._console.print(f"{what}: {done} of {total}", soft_wrap=True)
