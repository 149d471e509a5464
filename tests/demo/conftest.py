from pathlib import Path

import pytest

from model.checkpoint import create_checkpoint, save_checkpoint
from model.config import ModelConfig


@pytest.fixture
def demo_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the demo keeps its temporary files, with a checkpoint of random weights for it to serve."""
    checkpoint = tmp_path / "tiny.safetensors"
    config = ModelConfig(64, 32, backbone="resnet18", final_layer="layer2", channels=16)
    save_checkpoint(create_checkpoint("tiny", config), checkpoint)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("QACONV_CHECKPOINT", str(checkpoint))
    monkeypatch.setenv("QACONV_DEVICE", "cpu")
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    return temporary
