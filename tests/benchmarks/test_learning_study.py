"""The whole study at its smallest: a step of each training, three people to search."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from model.checkpoint import load_checkpoint

_SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "learning_study.py"
_WAYS = ["random weights", "common start", "pooled cosine, cross-entropy", "pooled class memory"]
_WAYS += ["QAConv without random block", "QAConv"]


def test_every_way_of_training_has_a_row_with_every_ranking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--training-people", "16", "--start-steps", "1", "--steps", "1", "--people", "3", "--cameras", "2"]
    arguments += ["--seeds", "3", "--device", "cpu", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", [str(_SCRIPT), str(tmp_path), *arguments])
    runpy.run_path(str(_SCRIPT), run_name="__main__")

    table = (tmp_path / "learning_study.md").read_text()
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == 2 * ["training", *_WAYS]
    assert all(row.count(" / ") == 6 for row in rows if not row.startswith("| training"))
    pooled = json.loads((tmp_path / "pooled-class-memory-3.json").read_text())
    assert pooled["all_cameras"]["appearance"] == pooled["all_cameras"]["pooled_cosine"]
    assert pooled["settings"]["score_by"] == "pooled_cosine"
    start = load_checkpoint(tmp_path / "common-start.safetensors")
    trained = load_checkpoint(tmp_path / "QAConv.safetensors")
    assert trained.provenance["started_from"] == {"name": "common start", "fingerprint": start.fingerprint}
    assert trained.fingerprint != start.fingerprint
