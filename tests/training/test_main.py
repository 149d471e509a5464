import csv
import json
from pathlib import Path

import pytest
import torch
import torchvision
from typer.testing import CliRunner

from model.checkpoint import load_checkpoint
from training.main import app


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def test_synthesise_writes_crops_and_manifest(runner: CliRunner, tmp_path: Path) -> None:
    folder = tmp_path / "crops"
    arguments = ["synthesise", str(folder), "--people", "3", "--cameras", "2", "--start-time", "1000000000"]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    with (folder / "detections.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(list(folder.glob("*.jpg"))) > 10
    assert {row["person_id"] for row in rows} == {"person-0000", "person-0001", "person-0002"}
    assert all(float(row["timestamp"]) >= 1e9 for row in rows)
    again = runner.invoke(app, arguments)
    assert again.exit_code == 2


def test_train_then_evaluate(runner: CliRunner, tmp_path: Path) -> None:
    checkpoint, folder = tmp_path / "tiny.safetensors", tmp_path / "crops"
    trained = runner.invoke(app, ["train", "tiny", "--output", str(checkpoint), "--threads", "1"])
    assert trained.exit_code == 0, trained.output
    runner.invoke(app, ["synthesise", str(folder), "--people", "5", "--cameras", "2", "--seed", "3"])
    evaluated = runner.invoke(app, ["evaluate", "--checkpoint", str(checkpoint), "--folder", str(folder), "--json"])
    assert evaluated.exit_code == 0, evaluated.output
    assert 0 <= json.loads(evaluated.stdout)["other_cameras"]["lifted"]["rank1"] <= 1


def test_mistakes_are_told_with_what_to_do(runner: CliRunner, tmp_path: Path) -> None:
    unknown = runner.invoke(app, ["train", "nothing", "--output", str(tmp_path / "x.safetensors")])
    assert unknown.exit_code == 2
    assert "tiny" in unknown.output
    missing = runner.invoke(app, ["evaluate", "--checkpoint", str(tmp_path / "none.safetensors")])
    assert missing.exit_code == 1
    assert missing.stderr.startswith("qaconv-training: ")
    assert "there is no checkpoint" in missing.stderr


def test_a_broken_image_is_told_in_one_line(runner: CliRunner, tmp_path: Path) -> None:
    runner.invoke(app, ["synthesise", str(tmp_path / "crops"), "--people", "2", "--cameras", "2"])
    (tmp_path / "crops" / "crop_000003.jpg").write_bytes(b"no image")
    result = runner.invoke(app, ["evaluate", "--folder", str(tmp_path / "crops"), "--json"])
    assert result.exit_code == 1
    assert result.stdout == ""
    told = [line for line in result.stderr.splitlines() if line.startswith("qaconv-training: ")]
    assert len(told) == 1
    assert "crop_000003.jpg is not an image" in told[0]
    assert "Traceback" not in result.output


def test_an_output_that_cannot_be_written_is_refused_before_training(runner: CliRunner, tmp_path: Path) -> None:
    # Nobody, root included, can make a file in /proc.
    for output, told in ((tmp_path, "is a folder"), (Path("/proc/x.safetensors"), "cannot be written to")):
        result = runner.invoke(app, ["train", "tiny", "--output", str(output), "--threads", "1"])
        assert result.exit_code == 2
        assert told in " ".join(result.stderr.replace("│", " ").split())
        assert "drew" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_imagenet_weights_that_cannot_be_had_are_told_in_one_line(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An empty cache, and a network in which nothing can be reached: port 9 of this machine refuses at once.
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    output = tmp_path / "tiny.safetensors"
    result = runner.invoke(app, ["train", "tiny", "--output", str(output), "--threads", "1", "--imagenet-weights"])
    assert result.exit_code == 1
    told = [line for line in result.stderr.splitlines() if line.startswith("qaconv-training: ")]
    assert len(told) == 1
    assert "ImageNet weights of resnet18" in told[0]
    assert "train from scratch" in told[0]
    assert "Traceback" not in result.output
    assert "drew" not in result.output  # it fails before the work begins
    assert not output.exists()


def test_imagenet_weights_in_the_cache_are_trained_from(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    state = torchvision.models.resnet18(weights=None).state_dict()
    marker = torch.full_like(state["bn1.weight"], 3.0)  # where a network from scratch has 1
    torch.save(state | {"bn1.weight": marker}, cache / "resnet18-f37072fd.pth")
    output = tmp_path / "tiny.safetensors"
    result = runner.invoke(app, ["train", "tiny", "--output", str(output), "--threads", "1", "--imagenet-weights"])
    assert result.exit_code == 0, result.output
    trained = load_checkpoint(output)
    assert trained.provenance["recipe"]["imagenet_weights"] is True
    assert float(trained.extractor.state_dict()["backbone.bn1.weight"].mean()) == pytest.approx(3.0, abs=0.5)
