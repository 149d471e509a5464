"""How long each stage of a search or of an ingest took, waiting and failures included."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import Histogram

from service.observability.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds in each stage, waiting for the device included; `total` is the whole search."""

    decode: float = 0.0
    extract: float = 0.0
    score: float = 0.0
    lift: float = 0.0
    locate: float = 0.0
    total: float = 0.0


class Stage:
    """A stage in progress; part of its time may belong to another, that is done in the same step."""

    def __init__(self) -> None:
        self.moved: dict[str, float] = {}

    def move(self, name: str, seconds: float) -> None:
        """Counts some of this stage's seconds as another's."""
        self.moved[name] = self.moved.get(name, 0.0) + seconds


class StageTiming:
    """A stopwatch that starts when it is made.

    Args:
        stages: where each stage is reported to, in seconds, when it ends.
    """

    def __init__(self, stages: Histogram) -> None:
        self._start = time.perf_counter()
        self._histogram = stages
        self._stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator["Stage"]:
        """Adds the time of its block to a stage, one of `Timing`'s fields."""
        start = time.perf_counter()
        stage = Stage()
        try:
            yield stage
        finally:
            self._add(name, time.perf_counter() - start - sum(stage.moved.values()))
            for other, seconds in stage.moved.items():
                self._add(other, seconds)

    def _add(self, name: str, seconds: float) -> None:
        self._histogram.labels(name).observe(seconds)
        self._stages[name] = self._stages.get(name, 0.0) + seconds * 1000

    def finish(self) -> Timing:
        """The stages so far, and the total."""
        return Timing(**self._stages, total=(time.perf_counter() - self._start) * 1000)


def search_stages(metrics: Metrics) -> Histogram:
    """Of searches: decode, extract, score, lift, locate."""
    return metrics.histogram(
        "qaconv_search_stage_duration_seconds", "Time of a stage of a search, waiting included.", ["stage"]
    )


def ingest_stages(metrics: Metrics) -> Histogram:
    """Of ingests: decode, extract, disk, redis, device."""
    return metrics.histogram(
        "qaconv_ingest_stage_duration_seconds", "Time of a stage of an ingest, waiting included.", ["stage"]
    )
