"""How long each stage of a search took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds in each stage, waiting for the device included; `total` is the whole search."""

    decode: float = 0.0
    extract: float = 0.0
    score: float = 0.0
    lift: float = 0.0
    locate: float = 0.0
    total: float = 0.0


class StageTiming:
    """A stopwatch that starts when it is made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of its block to a stage, one of `Timing`'s fields."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._stages[name] = self._stages.get(name, 0.0) + (time.perf_counter() - start) * 1000

    def finish(self) -> Timing:
        """The stages so far, and the total."""
        return Timing(**self._stages, total=(time.perf_counter() - self._start) * 1000)
