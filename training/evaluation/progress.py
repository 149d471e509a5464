"""Tells a caller how far a long piece of work is."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")
# Called with what is being done, how much of it is done, and of how much.
OnProgress = Callable[[str, int, int], None]


def report_each(items: Sequence[_Item], stage: str, on_progress: OnProgress | None) -> Iterator[_Item]:
    """The items, each reported as done when the next one is asked for."""
    for done, item in enumerate(items, start=1):
        yield item
        if on_progress is not None:
            on_progress(stage, done, len(items))
