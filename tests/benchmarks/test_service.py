import runpy
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "service.py"


@pytest.mark.slow
def test_the_short_form_measures_everything_and_says_that_it_means_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--short", "--output", str(tmp_path / "results"), "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [str(_SCRIPT), *arguments])
    runpy.run_path(str(_SCRIPT), run_name="__main__")
    (path,) = (tmp_path / "results").glob("service_*.md")
    text = path.read_text()
    assert "Tiny sizes: these figures mean nothing." in text
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    searches = [row for row in rows if row[0].startswith(("without lifting", "lifted"))]
    shares = [list(map(float, row[2:9])) for row in searches if len(row) == 11]
    assert len(searches) == 8
    assert [round(sum(parts)) for parts in shares] == [100] * 4  # the stages and what is between them are all
    assert {row[0] for row in rows if row[0].endswith("clients")} >= {
        "single PUTs, 8 clients",
        "the batch call, 1 clients",
    }
    # Bytes of a detection on the device: float16, or int8 with float16 beside it.
    assert {("16", "32,768"), ("16", "49,204")} & {tuple(row[:2]) for row in rows}
    # Every answer is that of exact scores.
    assert [row[-1] for row in rows if row[-1].endswith(" of 8")] == ["8 of 8"] * 3
    assert any(row[0] == "most" and float(row[1]) > 0 for row in rows)
    assert len(list((tmp_path / "results").glob("*.png"))) == 3
