"""What scoring one query against one detection costs: the reference, the published form, and the scorers.

`python benchmarks/gallery_scoring.py`: prints a table in microseconds for each pair, the median of several repeats and
in brackets their range. All ways take turns within every repeat, so that a machine that slows down slows all of them.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, Float32ReferenceScorer
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.precision import choose_precision
from model.query_adaptive_convolution import QueryAdaptiveConvolution

_PUBLISHED_BLOCK = 128  # gallery and query batch of the authors' evaluation

Score = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to score, and the format in which its maps lie."""

    score: Score
    storage: torch.dtype


def main() -> None:
    """Measures and prints."""
    arguments = _parse_arguments()
    torch.set_num_threads(arguments.threads)
    config = ModelConfig()
    contenders = _list_contenders(config, arguments.device)
    print(_describe_machine(arguments.device))
    print(
        f"maps {config.channels}×{config.map_height}×{config.map_width}, gallery {arguments.gallery} detections, ",
        end="",
    )
    print(f"{arguments.repeats} repeats; µs for a query and a detection\n")
    print("| queries | " + " | ".join(contenders) + " |")
    print("| --- " * (1 + len(contenders)) + "|")
    for query_count in arguments.queries:
        times = _measure(contenders, config, query_count, arguments)
        print(f"| {query_count} | " + " | ".join(_format(times[name]) for name in contenders) + " |", flush=True)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--gallery", type=int, default=1024, help="detections (default 1024)")
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 4, 16], help="queries at once (default 1 4 16)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="on a CPU (default all cores)")
    parser.add_argument("--repeats", type=int, default=7, help="of which the median is printed (default 7)")
    return parser.parse_args()


def _list_contenders(config: ModelConfig, device: str) -> Mapping[str, Contender]:
    matcher = QueryAdaptiveConvolution(config).eval().to(device)
    folded = FoldedMatcher.of(matcher, config, device)
    chosen = [choose_precision(device), choose_precision(device, "bfloat16")]
    candidates = [
        ("float32 reference", Contender(Float32ReferenceScorer(folded).score, torch.float32)),
        ("published form", Contender(_published_form(matcher), torch.float32)),
    ]
    for storage, compute in [(torch.float32, torch.float32), *((format.storage, format.compute) for format in chosen)]:
        name = f"blocked, {_name(storage)}" + (f" as {_name(compute)}" if compute != storage else "")
        candidates.append((name, Contender(BlockedScorer(folded, compute).score, storage)))
    return dict(candidates)


def _published_form(matcher: QueryAdaptiveConvolution) -> Score:
    """As the authors' evaluation computes it: all similarities of 128 gallery maps, two `max`, an unfolded head."""

    def score(query_maps: Tensor, gallery_maps: Tensor) -> Tensor:
        return torch.cat([_score_block(query_maps, block) for block in gallery_maps.split(_PUBLISHED_BLOCK)], dim=1)

    def _score_block(query_maps: Tensor, gallery_maps: Tensor) -> Tensor:
        similarities = torch.einsum("qsc,grc->qgrs", query_maps, gallery_maps)
        logits: Tensor = matcher.head(similarities.max(dim=2)[0], similarities.max(dim=3)[0])
        return logits

    return score


@torch.inference_mode()
def _measure(
    contenders: Mapping[str, Contender], config: ModelConfig, query_count: int, arguments: argparse.Namespace
) -> Mapping[str, list[float]]:
    maps = torch.nn.functional.normalize(torch.randn(arguments.gallery, config.locations, config.channels), dim=-1)
    galleries = {dtype: maps.to(arguments.device, dtype) for dtype in {c.storage for c in contenders.values()}}
    # As many pairs for sixteen queries as for one, so that every row takes as long.
    count = max(2 * _PUBLISHED_BLOCK, arguments.gallery // query_count)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(-1, arguments.repeats):  # the first only warms up
        for name, contender in contenders.items():
            gallery = galleries[contender.storage]
            seconds = _time(contender.score, gallery[:query_count], gallery[:count])
            if repeat >= 0:
                times[name].append(seconds * 1e6 / (query_count * min(count, len(gallery))))
    return times


def _time(score: Score, query_maps: Tensor, gallery_maps: Tensor) -> float:
    started = time.perf_counter()
    score(query_maps, gallery_maps)
    if gallery_maps.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _format(microseconds: list[float]) -> str:
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
