"""What training and evaluating cost: crops a second in training and in extraction, pairs a second in evaluation.

`python benchmarks/training_cost.py` prints a Markdown table of medians, in brackets the range, beside the plain einsum
of the published code. All ways take turns within every repeat, so that a machine that slows down slows all of them.
`--short` is a look at the machinery: its figures mean nothing. `--output FILE` writes the table there too; measure for
that on a machine that does nothing else.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.checkpoint import Checkpoint, create_checkpoint
from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, position_major
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.precision import choose_precision
from model.query_adaptive_convolution import compute_similarities, extract_patches
from model.reranking import RerankingParameters, rerank
from training.pooled_similarities import PooledSimilarities

_PUBLISHED_BLOCK = 128  # gallery and query batch of the authors' evaluation

# Does some work once, and says how much of it that was.
Work = Callable[[], int]
Maxima = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def main() -> None:
    """Measures and prints."""
    arguments = _parse_arguments()
    torch.set_num_threads(arguments.threads)
    config = ModelConfig(backbone=arguments.backbone)
    if arguments.short:
        config = ModelConfig(64, 32, backbone="resnet18", final_layer="layer2", channels=16)
        arguments.batch, arguments.classes, arguments.gallery, arguments.repeats = 4, 8, 64, 1
    lines = [_describe(arguments, config), "", "| what | rate |", "| --- | --- |"]
    for unit, works in _list_works(config, arguments).items():
        for name, rates in _measure(works, arguments.repeats, arguments.device).items():
            lines.append(f"| {name} | {_format(rates)} {unit} |")
    text = "\n".join(lines)
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text + "\n", encoding="utf-8")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--backbone", default="resnet18", help="of the model (default resnet18)")
    parser.add_argument("--batch", type=int, default=32, help="crops in a step (default 32, the paper's)")
    parser.add_argument("--classes", type=int, default=96, help="of the class memory, in a step (default 96)")
    parser.add_argument("--gallery", type=int, default=2048, help="detections to compare with (default 2048)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="on a CPU (default all cores)")
    parser.add_argument("--repeats", type=int, default=7, help="of which the median is printed (default 7)")
    parser.add_argument("--short", action="store_true", help="tiny sizes, once")
    parser.add_argument("--output", type=Path, help="a file for the table")
    return parser.parse_args()


def _list_works(config: ModelConfig, arguments: argparse.Namespace) -> Mapping[str, Mapping[str, Work]]:
    """What is measured, by the unit of its rate."""
    device = arguments.device
    published = "published form, einsum and two max"
    crops_a_second: dict[str, Work] = {"extraction": _extraction(config, arguments)}
    crops_a_second["training step, maxima alone kept"] = _training(config, arguments, _kept_maxima, True)
    for name, reduced in ((f"training step, {published}", True), (f"training step, {published}, float32", False)):
        crops_a_second[name] = _training(config, arguments, _plain_maxima, reduced)
    model = create_checkpoint("comparison", config)
    maps = functional.normalize(torch.randn(arguments.gallery, config.channels, config.map_height, config.map_width))
    precision = choose_precision(device)
    scorer = BlockedScorer(FoldedMatcher.of(model.matcher, config, device), precision.compute)
    stored = position_major(maps).to(device, precision.storage)
    queries = min(16, arguments.gallery)
    pairs_a_second: dict[str, Work] = {
        "evaluation": lambda: scorer.score(stored[:queries], stored).numel(),
        f"evaluation, {published}": _published_evaluation(model, maps.to(device), queries),
        "re-ranking": _reranking(arguments.gallery),
    }
    return {"crops/s": crops_a_second, "pairs/s": pairs_a_second}


def _extraction(config: ModelConfig, arguments: argparse.Namespace) -> Work:
    extractor = create_checkpoint("extraction", config).extractor
    extractor = extractor.to(arguments.device, memory_format=torch.channels_last)
    crops = _draw_crops(config, arguments)

    def extract() -> int:
        with torch.inference_mode():
            return len(extractor(crops))

    return extract


def _training(config: ModelConfig, arguments: argparse.Namespace, pool: Maxima, reduced: bool) -> Work:
    """A step of the class memory's training: forward, matching with every class, backward, update."""
    model = create_checkpoint("training", config)
    model.extractor.to(arguments.device, memory_format=torch.channels_last).train()
    model.matcher.to(arguments.device).train()
    optimizer = torch.optim.SGD([*model.extractor.parameters(), *model.matcher.parameters()], lr=0.001)
    crops = _draw_crops(config, arguments)
    memory = functional.normalize(torch.randn(arguments.classes, config.channels, config.locations), dim=1)
    memory = memory.to(arguments.device)
    targets = torch.zeros(len(crops), arguments.classes, device=arguments.device)
    targets[:, 0] = 1

    def step() -> int:
        with _autocast(arguments.device, reduced):
            maps = model.extractor(crops)
        logits = model.matcher.head(*pool(extract_patches(maps.float(), config.kernel_size), memory))
        optimizer.zero_grad(set_to_none=True)
        functional.binary_cross_entropy_with_logits(logits, targets).backward()
        optimizer.step()
        return len(crops)

    return step


def _kept_maxima(patches: Tensor, class_patches: Tensor) -> tuple[Tensor, Tensor]:
    """As training does with its default precision."""
    query_maxima, class_maxima = PooledSimilarities.apply(patches, class_patches, torch.bfloat16)
    return query_maxima, class_maxima


def _plain_maxima(patches: Tensor, class_patches: Tensor) -> tuple[Tensor, Tensor]:
    """As the authors' code: all similarities at once, kept for the backward pass."""
    similarities = compute_similarities(patches, class_patches)
    return similarities.max(dim=3)[0], similarities.max(dim=2)[0]


def _published_evaluation(model: Checkpoint, maps: Tensor, queries: int) -> Work:
    head: nn.Module = model.matcher.head.to(maps.device)
    rows = maps.flatten(2)

    def score() -> int:
        with torch.inference_mode():
            blocks = [head(*_plain_maxima(rows[:queries], block)) for block in rows.split(_PUBLISHED_BLOCK)]
        return torch.cat(blocks, dim=1).numel()

    return score


def _reranking(count: int) -> Work:
    points = torch.randn(count, 16)
    distances = torch.cdist(points, points)
    return lambda: rerank(distances, RerankingParameters()).numel()


def _draw_crops(config: ModelConfig, arguments: argparse.Namespace) -> Tensor:
    shape = (arguments.batch, 3, config.input_height, config.input_width)
    crops = torch.randint(0, 256, shape, dtype=torch.uint8, device=arguments.device)
    return crops.contiguous(memory_format=torch.channels_last)


def _autocast(device: str, reduced: bool) -> AbstractContextManager[object]:
    return torch.autocast(device, torch.bfloat16) if reduced else nullcontext()


def _measure(works: Mapping[str, Work], repeats: int, device: str) -> Mapping[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(-1, repeats):  # the first only warms up
        for name, work in works.items():
            started = time.perf_counter()
            amount = work()
            if device == "cuda":
                torch.cuda.synchronize()
            if repeat >= 0:
                rates[name].append(amount / (time.perf_counter() - started))
    return rates


def _format(rates: list[float]) -> str:
    median, lowest, highest = (
        f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}" for rate in (statistics.median(rates), min(rates), max(rates))
    )
    return f"{median} ({lowest} to {highest})"


def _describe(arguments: argparse.Namespace, config: ModelConfig) -> str:
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text().splitlines() if cpu_info.exists() else []
    processor = next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.processor())
    hardware = f"{processor}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    if arguments.device == "cuda":
        hardware = torch.cuda.get_device_name()
    note = "Tiny sizes: these figures mean nothing. " if arguments.short else ""
    return (
        f"{note}{arguments.device}: {hardware}; torch {torch.__version__}, Python {platform.python_version()}. "
        f"{config.backbone} at {config.input_height}×{config.input_width}, maps {config.channels}×{config.map_height}×"
        f"{config.map_width}; batches of {arguments.batch}, {arguments.classes} classes, {arguments.gallery} "
        f"detections; median of {arguments.repeats} repeats, and their range."
    )


if __name__ == "__main__":
    main()
