"""The benchmark suite: `make bench`, or `python -m benchmarks` at the root of the repository.

Measures each theme and writes `benchmarks/results/THEME_HARDWARE_DATE.md` with its plots. Measure on a machine that
does nothing else. `--short` does the same with tiny sizes in seconds: a check that all works, whose figures mean
nothing.
"""

import argparse
import dataclasses
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from benchmarks.gallery_scoring import measure_gallery_scoring
from benchmarks.machine import hardware_name
from benchmarks.results_file import RESULTS_FOLDER, Results, write_results
from benchmarks.service import measure_service

THEMES: Mapping[str, Callable[[argparse.Namespace], Results]] = {
    "gallery-scoring": measure_gallery_scoring,
    "service": measure_service,
}


def main() -> None:
    """Measures and writes."""
    arguments = _parse_arguments()
    for theme in arguments.themes:
        began = time.perf_counter()
        results = THEMES[theme](arguments)
        minutes = (time.perf_counter() - began) / 60
        settings = {
            "command": f"`python -m benchmarks {shlex.join(sys.argv[1:])}`".replace(" `", "`"),
            **results.settings,
            "duration": f"{minutes:.1f} minutes",
        }
        hardware = arguments.hardware or hardware_name(results.device)
        path = write_results(dataclasses.replace(results, settings=settings), arguments.folder, hardware)
        print(f"{path}: {minutes:.1f} minutes", flush=True)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--themes", nargs="+", choices=list(THEMES), default=list(THEMES), help="default all")
    parser.add_argument("--short", action="store_true", help="tiny sizes: checks, and means nothing else")
    parser.add_argument(
        "--folder", type=Path, default=RESULTS_FOLDER, help="for the results (default benchmarks/results)"
    )
    parser.add_argument("--hardware", help="in the files' names (default: what this machine is)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default all cores")
    parser.add_argument("--repeats", type=int, default=7, help="of which the median is shown (default 7)")
    parser.add_argument(
        "--budget-minutes",
        type=float,
        default=20,
        help="for all: a hundredth of it for one way at one gallery size; larger ones are left out by name",
    )
    parser.add_argument("--memory-gib", type=float, default=10, help="for galleries (default 10)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
