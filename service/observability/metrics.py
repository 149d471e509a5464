"""The metrics of one service, for Prometheus. Every part is handed this object and declares in it what it measures.

A part of the service needs one line for each of its metrics, in its constructor:

    self._lag = metrics.gauge("qaconv_stream_lag_entries", "Entries of the stream that were not read yet.")
    metrics.watch("qaconv_audit_entries", "Entries of the audit record.", lambda: audit.size)

Names follow Prometheus' conventions: `qaconv_`, base units (seconds, bytes), `_total` for counters. Labels have few
values, all known beforehand: never an ID, a path or anything else that a client sends.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

Kind = TypeVar("Kind", Counter, Gauge, Histogram)

# From a look-up in Redis to the default time limit of a request.
SECONDS_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
SIZE_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


class Metrics:
    """A registry of its own: nothing is global, and two services in one process do not meet.

    A metric that is declared again is the same one, so that what is opened a second time goes on counting.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._declared: dict[str, Counter | Gauge | Histogram] = {}
        self._watched: set[str] = set()
        self.refusals = self.counter(
            "qaconv_refusals_total",
            "Requests and connections that were refused, or ended, for what they would cost the others.",
            ["reason"],
        )

    def counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
        """Something that is counted; its name ends in `_total`."""
        return self._declare(name, lambda: Counter(name, documentation, labels, registry=self.registry))

    def gauge(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
        """Something that goes up and down."""
        return self._declare(name, lambda: Gauge(name, documentation, labels, registry=self.registry))

    def histogram(
        self, name: str, documentation: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS_BUCKETS
    ) -> Histogram:
        """How large something is each time: seconds, unless other buckets are given."""
        return self._declare(
            name, lambda: Histogram(name, documentation, labels, buckets=buckets, registry=self.registry)
        )

    def watch(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """A gauge that is read when Prometheus asks, on any thread; NaN where it cannot be read."""
        self.gauge(name, documentation).set_function(lambda: _read(name, read))

    def watch_total(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """A count that somebody else keeps, read likewise; its name ends in `_total`."""
        if name not in self._watched:
            self._watched.add(name)
            self.registry.register(_WatchedTotal(name, documentation, read))

    def exposition(self) -> bytes:
        """All metrics as they are now, in Prometheus' text format."""
        return generate_latest(self.registry)

    def _declare(self, name: str, create: Callable[[], Kind]) -> Kind:
        known = self._declared.get(name)
        if known is None:
            known = self._declared[name] = create()
        return known  # type: ignore[return-value] # a name is declared by one part, as one kind


class _WatchedTotal(Collector):
    def __init__(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        self._name, self._documentation, self._read = name, documentation, read

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(self._name, self._documentation, value=_read(self._name, self._read))


def _read(name: str, read: Callable[[], float]) -> float:
    try:
        return read()
    except Exception:
        # One value that cannot be read must not hide all others.
        logger.exception("the metric %s cannot be read", name)
        return float("nan")
