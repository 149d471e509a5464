"""How a benchmark of the service is run: what its measurements share, and the results file that they become."""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import hardware_name
from benchmarks.results_file import RESULTS_FOLDER, Plot, Results, Section, write_results
from benchmarks.served_gallery import DrawnCrop, draw_crops, fill_data_directory, gallery_records, load_network
from model.checkpoint import Checkpoint

_CROPS_EACH = 3  # two stored, one to search with


@dataclass(frozen=True, slots=True)
class ServiceSetup:
    """What all measurements share.

    Attributes:
        stored: crops that galleries are made of.
        queries: crops of the same people that are in no gallery.
        folder: for data directories; gone afterwards.
        is_short: tiny sizes, to see that everything works.
    """

    checkpoint: Checkpoint
    stored: Sequence[DrawnCrop]
    queries: Sequence[DrawnCrop]
    folder: Path
    is_short: bool

    def gallery(self, detections: int) -> Path:
        """The data directory of a gallery; made once. One measurement after the other has it."""
        data_dir = self.folder / f"gallery-{detections}"
        if not data_dir.exists():
            records = gallery_records(self.stored, detections, self.checkpoint.fingerprint)
            fill_data_directory(data_dir, records)
        return data_dir


@dataclass(frozen=True, slots=True)
class Measured:
    """What one measurement adds to a results file."""

    sections: Sequence[Section]
    plots: Sequence[Plot] = ()


Measure = Callable[[ServiceSetup], Measured]


_TITLES = {
    "service": "What the service costs",
    "service-search": "What a search costs through HTTP",
    "service-ingest": "What an ingest costs through HTTP",
    "service-start": "What a start from the disk costs",
    "service-certified": "What certified answers cost",
    "service-memory": "The service's memory under load",
}


def collect(
    theme: str,
    introduction: str,
    measures: Sequence[Measure],
    *,
    is_short: bool,
    people: int = 200,
    folder: Path | None = None,
) -> Results:
    """Draws the crops and measures.

    Args:
        theme: one of the service's.
        introduction: the command for it.
        measures: one after the other.
        is_short: tiny sizes, to see that everything works.
        people: who are drawn.
        folder: where data directories are made; None for the system's.
    """
    people = 8 if is_short else people
    checkpoint = load_network()
    print(f"drawing {people * _CROPS_EACH} crops", flush=True)
    crops = draw_crops(checkpoint, people, _CROPS_EACH)
    stored = [crop for number, crop in enumerate(crops) if number % _CROPS_EACH != _CROPS_EACH - 1]
    with tempfile.TemporaryDirectory(dir=folder) as data:
        setup = ServiceSetup(checkpoint, stored, crops[_CROPS_EACH - 1 :: _CROPS_EACH], Path(data), is_short)
        measured = [measure(setup) for measure in measures]
    return Results(
        theme=theme,
        title=_TITLES[theme],
        introduction=introduction,
        settings={
            "crops": f"of {people} people drawn by the synthetic network, as JPEG",
            "model": f"the shipped one, maps of {checkpoint.config.channels}×{checkpoint.config.map_height}×"
            f"{checkpoint.config.map_width}, {checkpoint.fingerprint[:12]}",
        },
        sections=[section for each in measured for section in each.sections],
        plots=[plot for each in measured for plot in each.plots],
        means_something=not is_short,
    )


def run_benchmark(theme: str, introduction: str, measures: Sequence[Measure]) -> None:
    """Reads the command line, measures and writes the results file, whose path it prints."""
    arguments = _parse_arguments(introduction)
    results = collect(
        theme, introduction, measures, is_short=arguments.short, people=arguments.people, folder=arguments.folder
    )
    print(write_results(results, arguments.output, hardware_name()))


def _parse_arguments(introduction: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=introduction)
    parser.add_argument("--people", type=int, default=200, help="who are drawn (default 200)")
    parser.add_argument("--short", action="store_true", help="tiny sizes: a check that everything works")
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER, help="folder of the results file")
    parser.add_argument("--folder", type=Path, help="where data directories are made (default: the system's)")
    return parser.parse_args()
