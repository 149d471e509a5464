"""The suite's short form: every way's scores are right, every section is there, the plots are pictures. Never times."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from model.gallery_scoring import installed_library

_ROOT = Path(__file__).resolve().parents[2]
_SECTIONS = ["Targets", "Cost of a pair", "Cost against gallery size", "What limits", "Accuracy", "MaxSim libraries"]
_LARGEST_PLOT_BYTES = 150_000


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that a short run wrote; in a process of its own, for it sets the number of threads."""
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "benchmarks", "--short", "--hardware", "here", "--themes", "gallery-scoring"]
    command += ["--folder", str(folder), "--threads", "1"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("gallery-scoring_here_????-??-??.md")
    return path


def test_every_section_is_there_and_the_file_says_that_it_means_nothing(results: Path) -> None:
    text = results.read_text()
    assert "Tiny sizes: these figures mean nothing." in text
    titles = [line.removeprefix("## ").split(", maps ")[0] for line in text.splitlines() if line.startswith("## ")]
    assert titles == [*_SECTIONS, "Correctness"]
    for said in ("processor", "instruction sets", "versions", "date", "command", "threads", "repeats", "duration"):
        assert f"\n| {said} | " in text


def test_every_way_is_as_right_as_it_promises(results: Path) -> None:
    rows = _rows(results, "Correctness")
    names = {name for name, _, _ in rows}
    assert {"published form, best block", "published form, block of 128", "torch, float32"} <= names
    library = installed_library()
    kernels = {kernel.name for kernel in library.kernels} if library is not None else set()
    assert {name.removeprefix("native ").split(",")[0] for name in names if name.startswith("native ")} == kernels
    for name, error, tolerance in rows:
        assert float(error) <= float(tolerance) <= 2**-5, name


def test_rounding_costs_little_on_drawn_crops(results: Path) -> None:
    for name, root_mean_square, largest, _, _ in _rows(results, "Accuracy"):
        # Measured: 0.012 for similarities rounded to bfloat16, 0.018 for int8.
        assert float(root_mean_square) <= float(largest) < 0.05, name


def test_a_target_is_met_or_missed_by_how_much_or_not_run(results: Path) -> None:
    for what, target, measured, outcome in _rows(results, "Targets"):
        assert target, what
        assert outcome == "met" or outcome.startswith(("missed", "not run: ")), what
        assert bool(measured) != outcome.startswith("not run"), what


def test_plots_are_pictures_that_the_file_shows(results: Path) -> None:
    plots = sorted(results.parent.glob("*.png"))
    assert len(plots) == 3
    for plot in plots:
        assert f"]({plot.name})" in results.read_text()
        assert plot.stat().st_size < _LARGEST_PLOT_BYTES
        with Image.open(plot) as picture:
            colors = picture.convert("RGB").getcolors(maxcolors=2**24)
            assert picture.width >= 800
            assert colors is not None
            # Lines in several colours on white: neither empty nor all painted over.
            assert len(colors) > 20
            assert max(colors)[1] == (255, 255, 255)


def _rows(results: Path, section: str) -> Sequence[Sequence[str]]:
    """The cells of the first table below a heading, without its header."""
    text = results.read_text().split(f"\n## {section}")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
