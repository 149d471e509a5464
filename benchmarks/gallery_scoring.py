"""What scoring one query against one detection costs: the published form, torch's product alone, and the scorers.

`python benchmarks/gallery_scoring.py`: prints a table in microseconds for each pair, the median of several repeats, in
brackets their range, and how many times as fast as the published form that is. The published form is measured with the
block size that is best for it here. All ways take turns within every repeat, so that a machine that slows down slows
all of them.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, Float32ReferenceScorer, NativeScorer, installed_library
from model.gallery_scoring.int8_maps import quantise
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.native_library import NativeLibrary
from model.gallery_scoring.precision import choose_precision
from model.query_adaptive_convolution import QueryAdaptiveConvolution

_PUBLISHED_BLOCKS = (4, 8, 16, 32, 64, 128)  # the last is the gallery and query batch of the authors' evaluation
_PUBLISHED = "published form"
_PRODUCT_BLOCK = 16  # maps; its result stays in the second-level cache

Score = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Maps:
    """Random unit vectors [n, hw, d]: the queries, and the gallery."""

    queries: Tensor
    gallery: Tensor


def main() -> None:
    """Measures and prints."""
    arguments = _parse_arguments()
    torch.set_num_threads(arguments.threads)
    config = ModelConfig(input_height=16 * arguments.height, input_width=16 * arguments.width)
    print(_describe_machine(arguments.device))
    print(f"maps {config.channels}×{config.map_height}×{config.map_width}, {arguments.pairs} pairs, ", end="")
    print(f"{arguments.repeats} repeats; µs for a query and a detection, × the published form\n")
    for count in arguments.queries:
        times = _measure(_list_ways(config, count, arguments), arguments)
        base = statistics.median(next(times[way] for way in times if way.startswith(_PUBLISHED)))
        print(f"| {count} queries | µs | × |\n| --- | --- | --- |")
        for way, microseconds in times.items():
            print(f"| {way} | {_format(microseconds)} | {base / statistics.median(microseconds):.2f} |")
        print(flush=True)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--pairs", type=int, default=1024, help="of a query and a detection (default 1024)")
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 4, 16], help="queries at once (default 1 4 16)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="on a CPU (default all cores)")
    parser.add_argument("--repeats", type=int, default=7, help="of which the median is printed (default 7)")
    parser.add_argument("--height", type=int, default=24, help="of a map, in locations (default 24)")
    parser.add_argument("--width", type=int, default=8, help="of a map, in locations (default 8)")
    parser.add_argument(
        "--processor-time", action="store_true", help="of this process instead of the clock, where others compute too"
    )
    return parser.parse_args()


def _list_ways(config: ModelConfig, count: int, arguments: argparse.Namespace) -> Mapping[str, Score]:
    """The ways to score `count` queries, each with its own form of the same maps, by their names."""
    device = arguments.device
    matcher = QueryAdaptiveConvolution(config).eval().to(device)
    folded = FoldedMatcher.of(matcher, config, device)
    maps = _draw(config, count, max(1, arguments.pairs // count), device)
    block = min(_PUBLISHED_BLOCKS, key=lambda size: _time(_published_form(matcher, maps, size), arguments))
    ways = {
        f"{_PUBLISHED}, blocks of {block}": _published_form(matcher, maps, block),
        "float32 reference": _bind(Float32ReferenceScorer(folded).score, maps, torch.float32),
        "bfloat16 product alone": _product(maps, torch.bfloat16),
    }
    formats = [choose_precision(device, "float32"), choose_precision(device), choose_precision(device, "bfloat16")]
    for format in formats:
        name = f"torch, {_name(format.storage)}"
        if format.compute != format.storage:
            name += f" as {_name(format.compute)}"
        ways[name] = _bind(BlockedScorer(folded, format.compute).score, maps, format.storage)
    library = installed_library()
    return ways if library is None or device != "cpu" else ways | _native_ways(library, folded, maps)


def _native_ways(library: NativeLibrary, matcher: FoldedMatcher, maps: Maps) -> dict[str, Score]:
    """Every kernel that runs here, with the format that is its own, and float16 as the service stores it."""
    ways: dict[str, Score] = {}
    for kernel in library.kernels:
        scorer = NativeScorer(matcher, library, kernel.name)
        if kernel.name.endswith(("int8", "vnni")):
            queries, gallery = quantise(maps.queries), quantise(maps.gallery)
            ways[f"native {kernel.name}, int8"] = lambda s=scorer, q=queries, g=gallery: s.score_int8(q, g)
        elif kernel.name.endswith("bf16"):
            ways[f"native {kernel.name}, bfloat16"] = _bind(scorer.score, maps, torch.bfloat16)
        else:
            for dtype in (torch.float32, torch.float16):
                ways[f"native {kernel.name}, {_name(dtype)}"] = _bind(scorer.score, maps, dtype)
    return ways


def _bind(score: Callable[[Tensor, Tensor], Tensor], maps: Maps, dtype: torch.dtype) -> Score:
    queries, gallery = maps.queries.to(dtype), maps.gallery.to(dtype)
    return lambda: score(queries, gallery)


def _published_form(matcher: QueryAdaptiveConvolution, maps: Maps, block_size: int) -> Score:
    """As the authors' evaluation computes it: all similarities of a block of maps, two `max`, an unfolded head."""

    def score_block(block: Tensor) -> Tensor:
        similarities = torch.einsum("qsc,grc->qgrs", maps.queries, block)
        logits: Tensor = matcher.head(similarities.max(dim=2)[0], similarities.max(dim=3)[0])
        return logits

    return lambda: torch.cat([score_block(block) for block in maps.gallery.split(block_size)], dim=1)


def _product(maps: Maps, dtype: torch.dtype) -> Score:
    """The matrix products that any way has to compute, and nothing else: written out block by block, and forgotten."""
    kernels = maps.queries.to(dtype).flatten(0, 1).T
    blocks = [
        block.flatten(0, 1) for block in maps.gallery.to(dtype).split(max(1, _PRODUCT_BLOCK // len(maps.queries)))
    ]

    def multiply() -> None:
        for block in blocks:
            torch.mm(block, kernels)

    return multiply


def _draw(config: ModelConfig, queries: int, detections: int, device: str) -> Maps:
    maps = torch.nn.functional.normalize(torch.randn(queries + detections, config.locations, config.channels), dim=-1)
    return Maps(maps[:queries].to(device), maps[queries:].clone().to(device))


@torch.inference_mode()
def _measure(ways: Mapping[str, Score], arguments: argparse.Namespace) -> Mapping[str, Sequence[float]]:
    times: dict[str, list[float]] = {way: [] for way in ways}
    for repeat in range(-1, arguments.repeats):  # the first only warms up
        for way, score in ways.items():
            seconds = _time(score, arguments)
            if repeat >= 0:
                times[way].append(seconds * 1e6 / arguments.pairs)
    return times


@torch.inference_mode()
def _time(score: Score, arguments: argparse.Namespace) -> float:
    clock = time.process_time if arguments.processor_time else time.perf_counter
    started = clock()
    score()
    if arguments.device == "cuda":
        torch.cuda.synchronize()
    return clock() - started


def _format(microseconds: Sequence[float]) -> str:
    return f"{statistics.median(microseconds):.1f} ({min(microseconds):.1f} to {max(microseconds):.1f})"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _describe_machine(device: str) -> str:
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text().splitlines() if cpu_info.exists() else []
    processor = next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.processor())
    hardware = torch.cuda.get_device_name() if device == "cuda" else f"{processor}, {torch.get_num_threads()} threads"
    instructions = f", {torch.backends.cpu.get_cpu_capability()}" if device == "cpu" else ""
    return f"{device}: {hardware}{instructions}; torch {torch.__version__}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
