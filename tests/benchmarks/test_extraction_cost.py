import runpy
import sys
from pathlib import Path

import pytest
import torch

from model.checkpoint import create_checkpoint, save_checkpoint
from model.config import ModelConfig

_SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "extraction_cost.py"


def test_each_checkpoint_has_a_line_for_each_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "one.safetensors", tmp_path / "other.safetensors"]
    for path in paths:
        config = ModelConfig(32, 16, backbone="efficientnet_lite0", final_layer="layer2", channels=8)
        save_checkpoint(create_checkpoint(path.stem, config), path)
    threads = str(torch.get_num_threads())
    monkeypatch.setattr(sys, "argv", [str(_SCRIPT), *map(str, paths), "--repeats", "1", "--threads", threads])
    runpy.run_path(str(_SCRIPT), run_name="__main__")
    rows = [line.split(" | ")[:2] for line in capsys.readouterr().out.splitlines()[4:]]
    assert rows == [["| one", "1"], ["| one", "32"], ["| other", "1"], ["| other", "32"]]
