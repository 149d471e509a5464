"""What a search near the same place and time costs with temporal lifting and without, from the crop to the answer.

`python benchmarks/search_cost.py`: prints the first lifted search, then the median of several repeats and in brackets
their range, without lifting, re-ranked, with lifting, and with it after new detections arrived. They take turns within
every repeat, so that a machine that slows down slows all of them. A service in this process, on a gallery of made-up
feature maps; every search posts another crop.
"""

import argparse
import asyncio
import io
import statistics
import sys
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.temporal_lifting import LiftingParameters
from service.components import Components, open_components
from service.observability.stage_timing import Timing
from service.records import CandidateFilter, DetectionMetadata, DetectionRecord
from service.recover_gallery import recover_gallery
from service.search.search_gallery import search_gallery
from service.search.search_records import SearchQuery, SearchResult, TemporalLifting
from service.settings import Settings

_START_US = 1_790_000_000_000_000
_CAMERAS = 8
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
    parser.add_argument("--nearby", type=int, default=64, help="persons near each query, at most 64")
    parser.add_argument("--arrivals", type=int, default=16, help="detections that arrive before some of the searches")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--checkpoint", type=Path, default=None, help="without it the shipped one")
    parser.add_argument("--remembered-rows-bytes", type=int, default=256 * 2**20)
    return parser.parse_args()


async def _measure(settings: Settings, arguments: argparse.Namespace) -> None:
    async with open_components(settings) as components:
        await recover_gallery(components)
        await _store(components, range(arguments.gallery), arguments.nearby)
        query = _query(0)
        print(f"{arguments.gallery} detections, {arguments.nearby} near the query, {arguments.repeats} repeats; ms\n")
        await _search(components, query, "off", is_reranked=True)  # warm
        first, result = await _search(components, query, "on", is_reranked=False)
        assert len(result.lifting.nearby) == arguments.nearby
        times: dict[str, list[float]] = {name: [] for name in _SEARCHES}
        stages: dict[str, list[Timing]] = {name: [] for name in times}
        stored = arguments.gallery
        for repeat in range(arguments.repeats):
            for name, taken in times.items():
                if name.endswith("arrivals"):
                    await _store(components, range(stored, stored + arguments.arrivals), 0)
                    stored += arguments.arrivals
                lifting, is_reranked = _SEARCHES[name]
                milliseconds, result = await _search(components, _query(1 + repeat), lifting, is_reranked=is_reranked)
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


async def _store(components: Components, numbers: range, nearby: int) -> None:
    """Stores made-up detections; the first ones, `nearby` of them, by the query's camera at about its time."""
    for start in range(numbers.start, numbers.stop, _WRITES_TOGETHER):
        together = range(start, min(start + _WRITES_TOGETHER, numbers.stop))
        await asyncio.gather(*(components.writer.put(_draw(components, each, each < nearby)) for each in together))


def _draw(components: Components, number: int, is_nearby: bool) -> DetectionRecord:
    config = components.checkpoint.config
    shape = config.channels, config.map_height, config.map_width
    values = np.random.default_rng(number).standard_normal(shape)
    metadata = DetectionMetadata(
        detection_id=f"d{number:07}",
        camera_id="c0" if is_nearby else f"c{1 + number % (_CAMERAS - 1)}",
        timestamp_us=_START_US + number * 1_000_000,
        track_id=None,
        person_id=None,
        image_width=64,
        image_height=128,
        image_media_type="image/png",
        model_fingerprint=components.fingerprint,
        created_at_us=_START_US,
    )
    return DetectionRecord(metadata, (values / np.linalg.norm(values, axis=0)).astype(np.float16), b"crop")


def _query(seed: int) -> SearchQuery:
    pixels = np.random.default_rng(seed).integers(0, 256, (128, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return SearchQuery(
        image=file.getvalue(),
        detection_id=None,
        camera_id="c0",
        timestamp_us=_START_US + seed * 1_000_000,
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
