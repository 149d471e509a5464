import runpy
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "training_cost.py"


def test_the_short_form_measures_everything_and_says_that_it_means_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "cost.md"
    arguments = ["--short", "--device", "cpu", "--threads", "1", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", [str(_SCRIPT), *arguments])
    runpy.run_path(str(_SCRIPT), run_name="__main__")
    lines = output.read_text().splitlines()
    assert lines[0].startswith("Tiny sizes: these figures mean nothing.")
    assert sum(line.endswith("crops/s |") for line in lines) == 4
    assert sum(line.endswith("pairs/s |") for line in lines) == 3
