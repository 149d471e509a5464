"""What a search near the same place and time costs with temporal lifting and without, from the crop to the answer.

`python benchmarks/search_cost.py`: prints the first lifted search, then the median of several repeats and in brackets
their range, without lifting, re-ranked, with lifting, and with it after new detections arrived. They take turns within
every repeat, so that a machine that slows down slows all of them. A service in this process, on a gallery of drawn
crops' maps (`served_gallery`); every search posts another crop, of which other renderings are in the gallery.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import torch

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.served_gallery import DrawnCrop, draw_crops, gallery_records, load_network
from model.temporal_lifting import LiftingParameters
from service.components import Components, open_components
from service.observability.stage_timing import Timing
from service.records import CandidateFilter, DetectionRecord
from service.recover_gallery import recover_gallery
from service.search.search_gallery import search_gallery
from service.search.search_records import SearchQuery, SearchResult, TemporalLifting
from service.settings import Settings

_START_US = 1_790_000_000_000_000
_CAMERAS = 8
_CROPS_EACH = 3  # one to search with, two stored
_WRITES_TOGETHER = 64
# What the searches of a repeat are called, whether they are lifted, and whether re-ranked.
_SEARCHES: dict[str, tuple[TemporalLifting, bool]] = {
    "off": ("off", False),
    "off, re-ranked": ("off", True),
    "on": ("on", False),
    "on, after arrivals": ("on", False),
}


def main() -> None:
    """Measures and prints."""
    arguments = _parse_arguments()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(
            data_dir=Path(directory),
            checkpoint=arguments.checkpoint,
            device=arguments.device,
            gallery_capacity=2 * arguments.gallery,
            remembered_rows_bytes=arguments.remembered_rows_bytes,
        )
        asyncio.run(_measure(settings, arguments))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gallery", type=int, default=5000, help="detections")
    parser.add_argument("--people", type=int, default=100, help="who are drawn")
    parser.add_argument("--nearby", type=int, default=64, help="persons near each query, at most 64")
    parser.add_argument("--arrivals", type=int, default=16, help="detections that arrive before some of the searches")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--checkpoint", type=Path, default=None, help="without it the shipped one")
    parser.add_argument("--remembered-rows-bytes", type=int, default=256 * 2**20)
    return parser.parse_args()


async def _measure(settings: Settings, arguments: argparse.Namespace) -> None:
    people = max(arguments.people, arguments.repeats + 1)
    crops = draw_crops(load_network(arguments.checkpoint), people, _CROPS_EACH)
    asked = crops[::_CROPS_EACH]
    stored = [crop for number, crop in enumerate(crops) if number % _CROPS_EACH]
    async with open_components(settings) as components:
        await recover_gallery(components)
        records = _records(stored, components.fingerprint, arguments)
        await _store(components, records, arguments.gallery)
        query = _query(asked[0], 0)
        print(f"{arguments.gallery} detections, {arguments.nearby} near the query, {arguments.repeats} repeats; ms\n")
        await _search(components, query, "off", is_reranked=True)  # warm
        first, result = await _search(components, query, "on", is_reranked=False)
        assert len(result.lifting.nearby) == arguments.nearby
        times: dict[str, list[float]] = {name: [] for name in _SEARCHES}
        stages: dict[str, list[Timing]] = {name: [] for name in times}
        for repeat in range(arguments.repeats):
            for name, taken in times.items():
                if name.endswith("arrivals"):
                    await _store(components, records, arguments.arrivals)
                lifting, is_reranked = _SEARCHES[name]
                query = _query(asked[1 + repeat], 1 + repeat)
                milliseconds, result = await _search(components, query, lifting, is_reranked=is_reranked)
                taken.append(milliseconds)
                stages[name].append(result.timing_ms)
        names = [field.name for field in fields(Timing)]
        print("| search | ms | × without lifting | " + " | ".join(names) + " |")
        print("| --- " * (3 + len(names)) + "|")
        off = statistics.median(times["off"])
        print(f"| the first with lifting | {first:.1f} | {first / off:.2f} |" + " |" * len(names))
        for name, taken in times.items():
            median = statistics.median(taken)
            parts = [statistics.median(getattr(timing, part) for timing in stages[name]) for part in names]
            print(f"| {name} | {median:.1f} [{min(taken):.1f}–{max(taken):.1f}] | {median / off:.2f} | ", end="")
            print(" | ".join(f"{part:.1f}" for part in parts) + " |")


async def _search(
    components: Components, query: SearchQuery, lifting: TemporalLifting, *, is_reranked: bool
) -> tuple[float, SearchResult]:
    began = time.perf_counter()
    result = await search_gallery(components, replace(query, temporal_lifting=lifting, rerank=is_reranked))
    return (time.perf_counter() - began) * 1000, result


async def _store(components: Components, records: Iterator[DetectionRecord], count: int) -> None:
    """Stores the next detections."""
    for start in range(0, count, _WRITES_TOGETHER):
        together = islice(records, min(_WRITES_TOGETHER, count - start))
        await asyncio.gather(*map(components.writer.put, together))


def _records(crops: Sequence[DrawnCrop], fingerprint: str, arguments: argparse.Namespace) -> Iterator[DetectionRecord]:
    """The gallery and what arrives later; the first `nearby` of it by the query's camera at about its time."""
    count = arguments.gallery + arguments.repeats * arguments.arrivals
    for number, record in enumerate(gallery_records(crops, count, fingerprint)):
        camera_id = "c0" if number < arguments.nearby else f"c{1 + number % (_CAMERAS - 1)}"
        timestamp_us = _START_US + number * 1_000_000
        yield replace(record, metadata=replace(record.metadata, camera_id=camera_id, timestamp_us=timestamp_us))


def _query(crop: DrawnCrop, number: int) -> SearchQuery:
    return SearchQuery(
        image=crop.content,
        detection_id=None,
        camera_id="c0",
        timestamp_us=_START_US + number * 1_000_000 + 500_000,
        limit=10,
        group_by="detection",
        candidates=CandidateFilter(),
        min_score=None,
        temporal_lifting="on",
        lifting=LiftingParameters(),
        rerank=False,
        num_correspondences=20,
        min_similarity=0.5,
        include_pivots=False,
    )


if __name__ == "__main__":
    main()
