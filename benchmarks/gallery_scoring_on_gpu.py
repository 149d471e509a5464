"""What scoring costs on a GPU: the Triton kernel, blocks of plain torch, and the published forward at its best block.

`python benchmarks/gallery_scoring_on_gpu.py` compares every way with the float32 reference and then prints a table, in
milliseconds for a query and a million detections: the median of several repeats and in brackets their range. The ways
of one format take turns within every repeat. The last columns say what share of the card's own matrix product and of
its memory's speed the kernel reaches, both measured in the same run. `--tune` times tilings of the kernel instead.
"""

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import triton
from torch import Tensor
from torch.nn import functional

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, Float32ReferenceScorer
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.triton_scorer import TritonScorer
from model.gallery_scoring.triton_tiling import Tiling, choose_tiling
from model.query_adaptive_convolution import MatchingHead, QueryAdaptiveConvolution

_FORMATS = {"float16": torch.float16, "bfloat16": torch.bfloat16, "int8": torch.int8}
_PUBLISHED_BLOCKS = (16, 32, 64, 128, 256, 512, 1024)
_TUNED = tuple(itertools.product((64, 128), (2, 4, 8), (4, 8), (2, 3, 4, 5)))  # part, group, warps, stages
# What slower ways, and many tilings, are timed on: the time for a pair does not change with a gallery this large.
_DETECTIONS_OF_SLOWER_WAYS = 16_384
_DETECTIONS_OF_TUNING = 200_000
_DETECTIONS_MADE_AT_ONCE = 4096
_DETECTIONS_CHECKED = 256
# Of the device's free memory, for the gallery: the rest is for blocks of the slower ways.
_SHARE_OF_MEMORY = 0.75
# Of a maximum, which is a cosine: exact products summed in float32; similarities rounded to bfloat16; a head that is
# computed in that format too.
_TOLERANCES = {"Triton": 1e-5, "torch, blocked": 2**-7, "published": 2**-4}

Maps = Tensor | Int8Maps
Score = Callable[[Maps, Maps], Tensor]


@dataclass(frozen=True, slots=True)
class Setup:
    """What is scored, and where."""

    config: ModelConfig
    head: MatchingHead
    matcher: FoldedMatcher
    device: torch.device
    repeats: int


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to score, and how many detections it is timed on at most."""

    score: Score
    most_detections: int


def main() -> None:
    """Checks, measures and prints."""
    arguments = _parse_arguments()
    torch.manual_seed(0)
    setup = _set_up(arguments)
    print(_describe(setup, arguments))
    with torch.inference_mode():
        for name in arguments.formats:
            maps = _make_gallery(setup, name, _detections_that_fit(setup, name, arguments.detections))
            if arguments.tune:
                _tune(setup, name, _some(maps, 0, _DETECTIONS_OF_TUNING))
            else:
                _compare(setup, name, maps, arguments.queries)
            del maps


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="default cuda; cpu under TRITON_INTERPRET=1, with --short")
    parser.add_argument("--detections", type=int, default=1_000_000, help="as memory allows (default a million)")
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 4, 16, 64], help="default 1 4 16 64")
    parser.add_argument("--formats", nargs="+", default=list(_FORMATS), choices=list(_FORMATS))
    parser.add_argument("--repeats", type=int, default=9, help="of which the median is printed (default 9)")
    parser.add_argument("--tune", action="store_true", help="time the kernel's tilings instead")
    parser.add_argument("--short", action="store_true", help="tiny maps and galleries: checks, and means nothing else")
    return parser.parse_args()


def _set_up(arguments: argparse.Namespace) -> Setup:
    config = ModelConfig(input_height=80, input_width=64, channels=32) if arguments.short else ModelConfig()
    if arguments.short:
        arguments.detections, arguments.queries, arguments.repeats = 3, [1, 2], 1
    device = torch.device(arguments.device)
    model = QueryAdaptiveConvolution(config).eval().to(device)
    weights = model.head.fc.weight
    # Weights that differ, as training leaves them: equal ones would hide a location taken for another.
    weights.data = torch.rand_like(weights) / config.locations
    return Setup(config, model.head, FoldedMatcher.of(model, config, device), device, arguments.repeats)


def _detections_that_fit(setup: Setup, name: str, wanted: int) -> int:
    if setup.device.type != "cuda":
        return wanted
    torch.cuda.empty_cache()  # what the gallery of the format before took
    free_bytes, _ = torch.cuda.mem_get_info(setup.device)
    map_bytes = setup.config.locations * setup.config.channels * _FORMATS[name].itemsize
    return min(wanted, int(_SHARE_OF_MEMORY * free_bytes) // map_bytes)


def _make_gallery(setup: Setup, name: str, count: int) -> Maps:
    """Random unit vectors: the time does not depend on what they are."""
    shape = (count, setup.config.locations, setup.config.channels)
    maps = torch.empty(shape, dtype=_FORMATS[name], device=setup.device)
    scales = torch.empty(count, device=setup.device)
    for start in range(0, count, _DETECTIONS_MADE_AT_ONCE):
        block = maps[start : start + _DETECTIONS_MADE_AT_ONCE]
        drawn = functional.normalize(torch.randn(block.shape, device=setup.device), dim=-1)
        if name == "int8":
            rounded = quantise(drawn)
            block.copy_(rounded.values)
            scales[start : start + len(block)] = rounded.scales
        else:
            block.copy_(drawn)
    return Int8Maps(maps, scales) if name == "int8" else maps


def _some(maps: Maps, start: int, stop: int) -> Maps:
    if isinstance(maps, Tensor):
        return maps[start:stop]
    return Int8Maps(maps.values[start:stop], maps.scales[start:stop])


def _compare(setup: Setup, name: str, maps: Maps, query_counts: list[int]) -> None:
    print(f"\n## {name}, {len(maps)} detections\n")
    ways = ["Triton"] if name == "int8" else list(_TOLERANCES)
    columns = [*ways, "× the published", "of the card's product", "of the card's memory"]
    print("| queries | " + " | ".join(columns) + " |")
    print("| --- " * (1 + len(columns)) + "|")
    product_rate, memory_rate = _measure_product_rate(setup, name), _measure_memory_rate(setup)
    pair_operations = 2 * setup.config.locations**2 * setup.config.channels
    map_bytes = setup.config.locations * setup.config.channels * _FORMATS[name].itemsize
    for queries in query_counts:
        contenders = _list_contenders(setup, name, maps, queries)
        for way, contender in contenders.items():
            _check(setup, way, contender, maps)
        times = _take_turns(setup, contenders, maps, queries)
        pair_seconds = statistics.median(times["Triton"]) * 1e-9  # milliseconds for a million are nanoseconds for one
        faster = f"{statistics.median(times['published']) * 1e-9 / pair_seconds:.1f}" if "published" in times else "—"
        # All queries share what is read once, where the second-level cache keeps it.
        shares = (pair_operations / pair_seconds / product_rate, map_bytes / queries / pair_seconds / memory_rate)
        cells = [*(_format(times[way]) for way in ways), faster, *(f"{share:.0%}" for share in shares)]
        print(f"| {queries} | " + " | ".join(cells) + " |", flush=True)


def _list_contenders(setup: Setup, name: str, maps: Maps, queries: int) -> Mapping[str, Contender]:
    contenders = {"Triton": Contender(_triton(setup, _tiling_of(setup, name)), len(maps))}
    if name != "int8":
        slower = min(len(maps), _DETECTIONS_OF_SLOWER_WAYS)
        contenders["torch, blocked"] = Contender(BlockedScorer(setup.matcher, _FORMATS[name]).score, slower)
        head = MatchingHead(setup.config.locations, shared=False).to(setup.device)
        head.load_state_dict(setup.head.state_dict())
        head = head.eval().to(_FORMATS[name])
        forms = [partial(_score_published, head, block) for block in _PUBLISHED_BLOCKS]
        tried = partial(_time_at_best, setup, _some(maps, 0, queries), _some(maps, 0, slower))
        contenders["published"] = Contender(min(forms, key=tried), slower)
    return contenders


def _time_at_best(setup: Setup, query_maps: Maps, gallery_maps: Maps, score: Callable[..., Tensor]) -> float:
    try:
        return min(_time(setup, score, query_maps, gallery_maps) for _ in range(3))
    except torch.OutOfMemoryError:
        return float("inf")


def _triton(setup: Setup, tiling: Tiling) -> Score:
    is_cuda = setup.device.type == "cuda"
    multiprocessors = torch.cuda.get_device_properties(setup.device).multi_processor_count if is_cuda else 1
    scorer = TritonScorer(setup.matcher, tiling, multiprocessors)

    def score(query_maps: Maps, gallery_maps: Maps) -> Tensor:
        if isinstance(query_maps, Tensor):
            return scorer.score(query_maps, gallery_maps)
        return scorer.score_int8(query_maps, gallery_maps)

    return score


def _tiling_of(setup: Setup, name: str) -> Tiling:
    if setup.device.type != "cuda":
        return Tiling(part=16, group=2, warps=4, stages=2)
    capability = torch.cuda.get_device_capability(setup.device)
    tiling = choose_tiling(capability, setup.config.locations, setup.config.channels, _FORMATS[name].itemsize)
    if tiling is None:
        raise SystemExit(f"no tiling for compute capability {capability}: --tune shows which would do")
    return tiling


def _score_published(head: MatchingHead, block: int, query_maps: Tensor, gallery_maps: Tensor) -> Tensor:
    """As the authors' evaluation computes it: all similarities of a block, two `max`, an unfolded head."""
    rows = []
    for gallery_block in gallery_maps.split(block):
        similarities = torch.einsum("qsc,grc->qgsr", query_maps, gallery_block)
        rows.append(head(similarities.max(dim=3)[0], similarities.max(dim=2)[0]))
    return torch.cat(rows, dim=1)


def _check(setup: Setup, way: str, contender: Contender, maps: Maps) -> None:
    """The last logits of a call over all detections that this way is timed on, against the reference.

    Raises:
        SystemExit: they differ by more than rounding does.
    """
    start = len(maps) - contender.most_detections
    compared = min(_DETECTIONS_CHECKED, contender.most_detections)
    queries = _some(maps, 0, 3)
    found = contender.score(queries, _some(maps, start, len(maps)))[:, -compared:].float()
    expected = Float32ReferenceScorer(setup.matcher).score(_wide(queries), _wide(_some(maps, -compared, len(maps))))
    weight = float(setup.matcher.head.query_weights.abs().sum() + setup.matcher.head.gallery_weights.abs().sum())
    error = float((found - expected).abs().max()) / weight
    if not error <= _TOLERANCES[way]:
        raise SystemExit(f"{way} is wrong: off by {error:.1e} of a maximum, at most {_TOLERANCES[way]:.1e} is rounding")


def _wide(maps: Maps) -> Tensor:
    return maps.float() if isinstance(maps, Tensor) else maps.dequantise()


def _take_turns(
    setup: Setup, contenders: Mapping[str, Contender], maps: Maps, queries: int
) -> Mapping[str, list[float]]:
    """Milliseconds for a query and a million detections."""
    times: dict[str, list[float]] = {way: [] for way in contenders}
    for repeat in range(-1, setup.repeats):  # the first only warms up
        for way, contender in contenders.items():
            gallery = _some(maps, 0, contender.most_detections)
            seconds = _time(setup, contender.score, _some(maps, 0, queries), gallery)
            if repeat >= 0:
                times[way].append(seconds * 1e9 / (queries * contender.most_detections))
    return times


def _tune(setup: Setup, name: str, maps: Maps) -> None:
    print(f"\n## {name}, {len(maps)} detections, one query: ms for a million\n")
    medians: dict[Tiling, float] = {}
    for part, group, warps, stages in _TUNED:
        tiling = Tiling(part, group, warps, stages)
        contenders = {"Triton": Contender(_triton(setup, tiling), len(maps))}
        try:
            _check(setup, "Triton", contenders["Triton"], maps)
        except triton.runtime.errors.OutOfResources:
            continue
        medians[tiling] = statistics.median(_take_turns(setup, contenders, maps, 1)["Triton"])
        print(f"{medians[tiling]:8.2f}  {tiling}", flush=True)
    print(f"\nbest: {min(medians, key=lambda tiling: medians[tiling])}")


def _time(setup: Setup, score: Callable[..., Tensor], *maps: Maps) -> float:
    _wait(setup)
    started = time.perf_counter()
    score(*maps)
    _wait(setup)
    return time.perf_counter() - started


def _wait(setup: Setup) -> None:
    if setup.device.type == "cuda":
        torch.cuda.synchronize(setup.device)


def _measure_product_rate(setup: Setup, name: str) -> float:
    """Operations a second of the card's own product of two large matrices of this format."""
    size = 8192 if setup.device.type == "cuda" else 64
    # Not ones: a product of equal numbers takes less power, and so runs faster than any that is needed.
    drawn = (torch.randint(-127, 128, (size, size), device=setup.device) for _ in range(2))
    left, right = (numbers.to(_FORMATS[name]) for numbers in drawn)
    # Both with the summed index contiguous, as the maps lie.
    multiply = torch._int_mm if name == "int8" else torch.matmul
    return 2 * size**3 / min(_time(setup, multiply, left, right.T) for _ in range(10))


def _measure_memory_rate(setup: Setup) -> float:
    """Bytes a second that the card reads."""
    count = 2**30 if setup.device.type == "cuda" else 2**10
    numbers = torch.ones(count // 4, device=setup.device)
    return count / min(_time(setup, torch.sum, numbers) for _ in range(10))


def _format(milliseconds: list[float]) -> str:
    return f"{statistics.median(milliseconds):.2f} ({min(milliseconds):.2f} to {max(milliseconds):.2f})"


def _describe(setup: Setup, arguments: argparse.Namespace) -> str:
    card = torch.cuda.get_device_name(setup.device) if setup.device.type == "cuda" else "CPU, interpreted"
    config = setup.config
    first = "Tiny sizes: these figures mean nothing.\n" if arguments.short else ""
    return (
        f"{first}{card}; torch {torch.__version__}, Triton {triton.__version__}\n"
        f"maps {config.channels}×{config.map_height}×{config.map_width}, {setup.repeats} repeats; "
        "ms for a query and a million detections"
    )


if __name__ == "__main__":
    main()
