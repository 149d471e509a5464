"""The study's own part, on checkpoints that are there already: what it trains takes hours."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from model.checkpoint import create_checkpoint, save_checkpoint
from model.config import ModelConfig

_SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "learning_study.py"
_NAMES = ("pooled-cosine-cross-entropy", "pooled-class-memory", "QAConv", "QAConv-random-block")


def test_every_way_of_training_has_a_row_with_every_ranking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = ModelConfig(input_height=64, input_width=32, backbone="resnet18", final_layer="layer2", channels=16)
    for name in _NAMES:
        save_checkpoint(create_checkpoint(name, config), tmp_path / f"{name}.safetensors")
    arguments = ["--people", "3", "--cameras", "2", "--seeds", "3", "--device", "cpu", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", [str(_SCRIPT), str(tmp_path), *arguments])
    runpy.run_path(str(_SCRIPT), run_name="__main__")
    table = (tmp_path / "learning_study.md").read_text()
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    assert [row.split(" | ")[0] for row in rows] == 2 * [
        "| training",
        "| random weights",
        "| pooled cosine, cross-entropy",
        "| pooled class memory",
        "| QAConv",
        "| QAConv, random block",
    ]
    assert all(row.count(" / ") == 6 for row in rows if not row.startswith("| training"))
    pooled = json.loads((tmp_path / "pooled-class-memory-3.json").read_text())
    assert pooled["all_cameras"]["appearance"] == pooled["all_cameras"]["pooled_cosine"]
    assert pooled["settings"]["score_by"] == "pooled_cosine"
