"""Whether the memory of a service under 32 clients stays flat, and how much it is beyond gallery and model.

`python benchmarks/service_memory.py`: clients that search, with lifting and without, as fast as they are answered.
"""

import itertools
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.results_file import Plot, Point, Section, number, table
from benchmarks.service_benchmark import Measured, ServiceSetup, run_benchmark
from benchmarks.service_clients import PreparedRequest, send_for
from benchmarks.service_process import Memory, ServiceProcess, serve
from benchmarks.service_search import lifted_and_plain_searches

_DETECTIONS = 100_000
_CLIENTS = 32
_SECONDS = 180.0
_SECONDS_BETWEEN_LOOKS = 0.5
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class _Look:
    seconds: float
    memory: Memory


def measure(setup: ServiceSetup) -> Measured:
    """Memory while all clients are kept busy for a while."""
    detections, seconds = (48, 1.0) if setup.is_short else (_DETECTIONS, _SECONDS)
    requests = lifted_and_plain_searches(setup, detections)
    with serve(setup.gallery(detections), request_timeout_seconds=600) as service:
        known = service.gallery_bytes() + _model_bytes(setup)
        looks = [_Look(0.0, service.memory())]
        answers = _watch(service, requests, seconds, looks)
    series = {
        "beyond gallery and model": [Point(look.seconds, _beyond(look, known) / _MIB) for look in looks],
        "of that, the embedded Redis": [Point(look.seconds, look.memory.redis / _MIB) for look in looks],
    }
    plot = Plot("memory", f"{_CLIENTS} clients", "seconds", "MiB", series, has_logarithmic_axes=False)
    return Measured([_section(detections, looks, known, answers)], [plot])


def _watch(service: ServiceProcess, requests: Iterator[PreparedRequest], seconds: float, looks: list[_Look]) -> int:
    """Appends what is seen to `looks` until the last answer is there; returns how many there were."""
    is_over = threading.Event()
    started = time.perf_counter()

    def look() -> None:
        while not is_over.wait(_SECONDS_BETWEEN_LOOKS):
            looks.append(_Look(time.perf_counter() - started, service.memory()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        return len(send_for(service.url, requests, _CLIENTS, seconds).answers)
    finally:
        is_over.set()
        watcher.join()


def _model_bytes(setup: ServiceSetup) -> int:
    modules = (setup.checkpoint.extractor, setup.checkpoint.matcher)
    return sum(
        values.numel() * values.element_size()
        for values in itertools.chain.from_iterable(module.state_dict().values() for module in modules)
    )


def _beyond(look: _Look, known: int) -> int:
    return look.memory.own + look.memory.redis - known


def _section(detections: int, looks: Sequence[_Look], known: int, answers: int) -> Section:
    beyond = [_beyond(look, known) / _MIB for look in looks]
    quarter = max(1, len(looks) // 4)
    rows = [
        ["when it was ready", number(beyond[0])],
        ["median of the second quarter of the time", number(statistics.median(beyond[quarter : 2 * quarter + 1]))],
        ["median of the last quarter", number(statistics.median(beyond[-quarter:]))],
        ["most", number(max(beyond))],
        ["of the most, the embedded Redis", number(max(look.memory.redis for look in looks) / _MIB)],
        ["beside it: mapped files, which the system may take back", number(looks[-1].memory.mapped / _MIB)],
    ]
    text = "\n\n".join(
        (
            f"{detections:,} detections, {_CLIENTS} clients, {answers} answers in {looks[-1].seconds:.0f} s, every "
            f"other search lifted. Resident memory of the service and its embedded Redis, less {known / _MIB:,.0f} "
            "MiB of maps and weights. Target: at most 1,024 MiB, flat.",
            table(["memory beyond gallery and model", "MiB"], rows),
        )
    )
    return Section("Memory under load", text)


if __name__ == "__main__":
    run_benchmark("service-memory", "`python benchmarks/service_memory.py`", [measure])
