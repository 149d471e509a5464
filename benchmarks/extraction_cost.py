"""What extracting feature maps costs: milliseconds for one crop and for a batch of 32, by checkpoint and number format.

`python benchmarks/extraction_cost.py CHECKPOINT...` prints a Markdown table of medians, in brackets the least. The
service extracts in float32 (see `FeatureExtraction`); bfloat16 is beside it to tell what it would gain. All ways take
turns within every repeat, so that a machine that slows down slows all of them.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.checkpoint import load_checkpoint
from model.feature_extractor import FeatureExtractor

_BATCHES = (1, 32)
_PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default all cores")
    parser.add_argument("--repeats", type=int, default=15, help="of which the median is printed (default 15)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    networks = {
        path.stem: load_checkpoint(path).extractor.to(memory_format=torch.channels_last)
        for path in arguments.checkpoints
    }
    ways = [(name, batch, precision) for name in networks for batch in _BATCHES for precision in _PRECISIONS]
    milliseconds: dict[tuple[str, int, str], list[float]] = {way: [] for way in ways}
    for repeat in range(arguments.repeats + 1):
        for name, batch, precision in ways:
            took = _extract(networks[name], batch, precision)
            if repeat:  # the first one warms up
                milliseconds[name, batch, precision].append(took)
    print(f"{arguments.threads} threads; {torch.backends.cpu.get_cpu_capability()}; torch {torch.__version__}")
    print("\n| checkpoint | crops | float32, ms | bfloat16, ms |\n| --- | --- | --- | --- |")
    for name in networks:
        for batch in _BATCHES:
            figures = (milliseconds[name, batch, precision] for precision in _PRECISIONS)
            cells = " | ".join(f"{statistics.median(of_way):.1f} ({min(of_way):.1f})" for of_way in figures)
            print(f"| {name} | {batch} | {cells} |")


def _extract(network: FeatureExtractor, batch: int, precision: str) -> float:
    config = network.config
    crops = torch.randint(0, 256, (batch, 3, config.input_height, config.input_width), dtype=torch.uint8)
    crops = crops.contiguous(memory_format=torch.channels_last)
    began = time.perf_counter()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        network(crops)
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
