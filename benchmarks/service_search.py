"""What a whole search through HTTP costs, and which share of it each stage has, at 1, 8 and 32 clients.

`python benchmarks/service_search.py`: a real service on loopback with its embedded Redis; the stages are those of the
answers' `timing_ms`, waiting included, and what the client's clock shows beside them.
"""

import itertools
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.results_file import Section, number, table
from benchmarks.served_gallery import CAMERAS, camera_of, describe_moment
from benchmarks.service_benchmark import Measured, ServiceSetup, run_benchmark
from benchmarks.service_clients import Answer, PreparedRequest, prepare, send_for
from benchmarks.service_process import serve

_DETECTIONS = 20_000
_CLIENTS = (1, 8, 32)
_REPEATS = 3
_SECONDS = 8.0  # of each number of clients in each repeat
_STAGES = ("decode", "extract", "score", "lift", "locate")

_LIFTED = "lifted, near one place and time"

Cell = tuple[str, int]


def measure(setup: ServiceSetup) -> Measured:
    """All kinds of searches and numbers of clients take turns within every repeat."""
    detections, repeats, seconds = (48, 1, 0.0) if setup.is_short else (_DETECTIONS, _REPEATS, _SECONDS)
    numbers_of_clients = (1, 2) if setup.is_short else _CLIENTS
    cells = list(itertools.product(("without lifting", _LIFTED), numbers_of_clients))
    answers: dict[Cell, list[Answer]] = {cell: [] for cell in cells}
    spent = dict.fromkeys(cells, 0.0)
    with serve(setup.gallery(detections), request_timeout_seconds=600) as service:
        kinds = {
            "without lifting": _searches(setup, detections, ["off"]),
            _LIFTED: _searches(setup, detections, ["on"]),
        }
        for requests in kinds.values():
            send_for(service.url, requests, 1, 0.0)  # warms up; the lifted one leaves its rows to be remembered
        for _ in range(repeats):
            for kind, clients in cells:
                load = send_for(service.url, kinds[kind], clients, seconds)
                answers[kind, clients] += load.answers
                spent[kind, clients] += load.seconds
                print(f"{kind}, {clients} clients: {len(load.answers)} answers", flush=True)
    return Measured([_section(detections, answers, spent)])


def lifted_and_plain_searches(setup: ServiceSetup, detections: int) -> Iterator[PreparedRequest]:
    """Searches without end, every other one lifted."""
    return _searches(setup, detections, ["off", "on"])


def _searches(setup: ServiceSetup, detections: int, liftings: Sequence[str]) -> Iterator[PreparedRequest]:
    """One crop after the other, all of one camera, within seconds of one another."""
    random = np.random.default_rng(0)
    middle = detections // 2 // CAMERAS * CAMERAS
    for crop, lifting in zip(itertools.cycle(setup.queries), itertools.cycle(liftings), strict=False):
        fields = {
            "camera_id": camera_of(middle),
            "timestamp": describe_moment(middle + random.uniform(0, 3)),
            "temporal_lifting": lifting,
        }
        yield prepare("POST", "/v1/search", fields, [("image", ("query.jpg", crop.content))])


def _section(detections: int, answers: Mapping[Cell, Sequence[Answer]], spent: Mapping[Cell, float]) -> Section:
    costs = [[kind, str(clients), *_costs(answers[kind, clients], spent[kind, clients])] for kind, clients in answers]
    shares = [[kind, str(clients), *_shares(some)] for (kind, clients), some in answers.items()]
    head = ["searches", "clients"]
    text = "\n\n".join(
        (
            f"{detections:,} detections, all of them candidates; 10 matches with 20 correspondences each. A client "
            "sends a search when it has the answer to its last.",
            table([*head, "answers", "answers a second", "p50, ms", "p99, ms"], costs),
            "The share of each stage in the time of all answers, in per cent. HTTP is what the client's clock shows "
            "beside the service's own total: receiving, the form, the audit record, writing the answer. "
            "The last column: median milliseconds of an answer outside scoring and extraction, for which the target "
            "at one client is 10 % of the answer or 3 ms, the larger.",
            table([*head, *_STAGES, "between stages", "HTTP", "outside, %", "outside, ms"], shares),
        )
    )
    return Section("The whole search through HTTP", text)


def _costs(answers: Sequence[Answer], seconds: float) -> list[str]:
    milliseconds = [answer.seconds * 1000 for answer in answers]
    p50, p99 = np.percentile(milliseconds, (50, 99))
    return [str(len(answers)), number(len(answers) / seconds), number(p50), number(p99)]


def _shares(answers: Sequence[Answer]) -> list[str]:
    whole = sum(answer.seconds * 1000 for answer in answers)
    timings = [answer.body["timing_ms"] for answer in answers]
    stages = {name: sum(timing[name] for timing in timings) for name in _STAGES}
    total = sum(timing["total"] for timing in timings)
    outside = [
        answer.seconds * 1000 - timing["score"] - timing["extract"]
        for answer, timing in zip(answers, timings, strict=True)
    ]
    parts = [*stages.values(), total - sum(stages.values()), whole - total, sum(outside)]
    return [*(f"{100 * part / whole:.1f}" for part in parts), number(statistics.median(outside))]


if __name__ == "__main__":
    run_benchmark("service-search", "`python benchmarks/service_search.py`", [measure])
