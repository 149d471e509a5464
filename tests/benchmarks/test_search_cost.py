import runpy
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "search_cost.py"


def test_every_kind_of_search_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--gallery", "30", "--nearby", "3", "--arrivals", "2", "--repeats", "2"]
    monkeypatch.setattr(sys, "argv", [str(_SCRIPT), *sizes, "--device", "cpu"])
    runpy.run_path(str(_SCRIPT), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "30 detections, 3 near the query, 2 repeats; ms"
    rows = [line.split(" | ") for line in lines[2:] if " | " in line]
    names = [row[0].removeprefix("| ") for row in rows]
    assert names == ["search", "---", "the first with lifting", "off", "off, re-ranked", "on", "on, after arrivals"]
    assert [float(row[2]) for row in rows[3:4]] == [1]
