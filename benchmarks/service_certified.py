"""What a search's device call costs with exact scores of everything, and with an int8 pass and exact scores of what may
be among the best, whose answers are compared.

`python benchmarks/service_certified.py`: the same gallery three times in this process, as float16, as int8 with the
float16 maps beside it, and as int8 with those read from the records. All take turns.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.results_file import Plot, Point, Section, Spread, number, table
from benchmarks.service_benchmark import Measured, ServiceSetup, run_benchmark
from model.checkpoint import Checkpoint
from model.temporal_lifting import LiftingParameters
from service.gallery.candidate_scoring import CandidateScoring, ScoringJob
from service.gallery.create_gallery import create_gallery, create_scorer
from service.gallery.gallery_format import ExactMapsPlace, GalleryPrecision, choose_format
from service.gallery.remembered_rows import RememberedRows
from service.gallery.scored_candidates import ScoredCandidates
from service.observability.metrics import Metrics
from service.records import CandidateFilter
from service.storage.detection_store import DetectionStore

_CPU = torch.device("cpu")
_SIZES = (1000, 5000, 20_000)
_QUERIES = 12
_NEARBY = 17
_FORMATS: Mapping[str, tuple[GalleryPrecision, Literal["auto"] | ExactMapsPlace]] = {
    "float16": ("float16", "auto"),
    "int8, exact maps on the device": ("int8", "device"),
    "int8, exact maps on the disk": ("int8", "disk"),
}
_SEARCHES: Mapping[str, Callable[[ScoringJob], ScoringJob]] = {
    "the best 10": lambda job: job,
    "the best 200": lambda job: replace(job, count=200),
    f"lifted, {_NEARBY} nearby, nothing remembered": lambda job: replace(job, lifting=LiftingParameters()),
}


@dataclass(frozen=True, slots=True)
class _Gallery:
    scoring: CandidateScoring
    metrics: Metrics

    def settled(self) -> float:
        return self.metrics.registry.get_sample_value("qaconv_settled_pairs_total") or 0.0


@dataclass(frozen=True, slots=True)
class _Search:
    """Of one kind of search: milliseconds by format, the share of pairs that were settled, and equal answers."""

    milliseconds: Mapping[str, Sequence[float]]
    settled_share: float
    equal: int


def measure(setup: ServiceSetup) -> Measured:
    """Every search on every size."""
    sizes = (60,) if setup.is_short else _SIZES
    of_size: dict[int, Mapping[str, _Search]] = {}
    for size in sizes:
        with _open(setup, size) as galleries:
            of_size[size] = {name: _measure_search(setup, galleries, size, kind) for name, kind in _SEARCHES.items()}
        print(f"certified answers among {size:,} detections: done", flush=True)
    series = {
        name: [_point(size, searches["the best 10"].milliseconds[name]) for size, searches in of_size.items()]
        for name in _FORMATS
    }
    plot = Plot("certified", "The best 10, in the device's call", "detections", "ms", series)
    return Measured([_section(of_size)], [plot])


@contextmanager
def _open(setup: ServiceSetup, size: int) -> Iterator[Mapping[str, _Gallery]]:
    store = DetectionStore.open(setup.gallery(size))
    try:
        yield {name: _create(setup.checkpoint, store, size, name) for name in _FORMATS}
    finally:
        store.close()


def _create(checkpoint: Checkpoint, store: DetectionStore, size: int, name: str) -> _Gallery:
    precision, exact_maps = _FORMATS[name]
    form = choose_format(precision, exact_maps, size, checkpoint.config, _CPU, multiplies_int8=True)
    gallery = create_gallery(checkpoint, form, create_scorer(checkpoint, form, _CPU), store.get_feature_map)
    records = store.iterate_records()
    while together := list(islice(records, 64)):
        for record in together:
            gallery.table.reserve(record.metadata.detection_id)
        gallery.put(together)
    metrics = Metrics()
    return _Gallery(CandidateScoring(gallery, RememberedRows(gallery, 0), metrics), metrics)


def _measure_search(
    setup: ServiceSetup, galleries: Mapping[str, _Gallery], size: int, kind: Callable[[ScoringJob], ScoringJob]
) -> _Search:
    milliseconds: dict[str, list[float]] = {name: [] for name in galleries}
    jobs = list(_jobs(setup, size, kind))
    coarse = [name for name in galleries if name.startswith("int8")]
    before, equal = galleries[coarse[0]].settled(), 0
    for job in jobs:
        answers: dict[str, ScoredCandidates] = {}
        for name, gallery in galleries.items():
            began = time.perf_counter()
            (answers[name],) = gallery.scoring.score([job])
            milliseconds[name].append(1000 * (time.perf_counter() - began))
        equal += all(
            (answers[name].best, answers[name].pivots) == (answers["float16"].best, answers["float16"].pivots)
            for name in coarse
        )
    pairs = len(jobs) * size * (1 + len(jobs[0].nearby_ids))
    return _Search(milliseconds, (galleries[coarse[0]].settled() - before) / pairs, equal)


def _jobs(setup: ServiceSetup, size: int, kind: Callable[[ScoringJob], ScoringJob]) -> Iterator[ScoringJob]:
    random = np.random.default_rng(size)
    for query in setup.queries[:_QUERIES]:
        job = kind(ScoringJob(query.feature_map, (), CandidateFilter(), None, count=10, includes_pivots=True))
        if job.lifting is not None:
            near = random.choice(size, min(size, _NEARBY), replace=False)
            job = replace(job, nearby_ids=tuple(f"detection-{each:07}" for each in near))
        yield job


def _point(size: int, milliseconds: Sequence[float]) -> Point:
    spread = Spread.of(milliseconds)
    return Point(size, spread.median, spread.lowest, spread.highest)


def _section(of_size: Mapping[int, Mapping[str, _Search]]) -> Section:
    rows = []
    for size, searches in of_size.items():
        for name, search in searches.items():
            medians = [Spread.of(search.milliseconds[each]).median for each in _FORMATS]
            rows.append(
                [
                    f"{size:,}",
                    name,
                    *(str(Spread.of(search.milliseconds[each])) for each in _FORMATS),
                    number(medians[0] / medians[1]),
                    f"{100 * search.settled_share:.1f} %",
                    f"{search.equal} of {len(search.milliseconds['float16'])}",
                ]
            )
    heads = ["detections", "search", *(f"{name}, ms" for name in _FORMATS), "float16 ÷ int8", "scored exactly"]
    text = table([*heads, "equal answers"], rows)
    explained = (
        "One search at a time in this process, without extraction, Redis or HTTP; the median of the queries, and their "
        "range. *Equal answers*: the same detections with the same scores to the last bit, in both int8 galleries, and "
        "the same pivots. *Scored exactly*: of all pairs of the query or somebody nearby and a detection, those whose "
        "int8 score left open whether they are among the best."
    )
    return Section("Certified answers", f"{explained}\n\n{text}")


if __name__ == "__main__":
    run_benchmark("service-certified", "`python benchmarks/service_certified.py`", (measure,))
