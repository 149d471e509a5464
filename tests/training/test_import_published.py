"""`qaconv-training import`, on a file with the names of the authors' layout."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from typer.testing import CliRunner

from model.checkpoint import load_checkpoint
from model.published_checkpoint import load_published_checkpoint
from training.main import app

HEIGHT, WIDTH, LOCATIONS, CHANNELS = 64, 32, 8, 16
SIZE = ["--input-height", str(HEIGHT), "--input-width", str(WIDTH)]


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.fixture
def published(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = nn.Module()
    network.base = torchvision.models.resnet18(weights=None)
    network.neck_conv = nn.Conv2d(256, CHANNELS, 3, padding=1, bias=False)
    criterion = nn.Module()
    criterion.bn, criterion.logit_bn = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    criterion.fc = nn.Linear(2 * LOCATIONS, 1)
    path = tmp_path / "market.pth.tar"
    torch.save({"model": network.state_dict(), "criterion": criterion.state_dict(), "epoch": 60}, path)
    return path


def test_the_file_is_the_model_that_the_authors_file_holds(runner: CliRunner, published: Path, tmp_path: Path) -> None:
    output = tmp_path / "ours.safetensors"
    result = runner.invoke(app, ["import", str(published), "--output", str(output), *SIZE])
    assert result.exit_code == 0, result.output
    assert f"market: resnet18 up to layer3, {CHANNELS} channels, crops of 64x32" in result.output
    ours = load_checkpoint(output)
    assert ours.fingerprint == load_published_checkpoint(published, HEIGHT, WIDTH).fingerprint
    assert ours.name == "market"
    assert ours.provenance["file"] == "market.pth.tar"


def test_it_may_be_given_a_name(runner: CliRunner, published: Path, tmp_path: Path) -> None:
    output = tmp_path / "ours.safetensors"
    result = runner.invoke(app, ["import", str(published), "--output", str(output), "--name", "market-r18", *SIZE])
    assert result.exit_code == 0, result.output
    assert load_checkpoint(output).name == "market-r18"


def test_the_size_is_that_of_the_paper_if_none_is_given(runner: CliRunner, published: Path, tmp_path: Path) -> None:
    output = tmp_path / "ours.safetensors"
    result = runner.invoke(app, ["import", str(published), "--output", str(output)])
    assert result.exit_code == 1
    assert "its head has 16 weights, a map of 384×128 crops has 192 locations" in result.stderr
    assert "give the input size that it was trained with" in result.stderr
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"no checkpoint at all", "cannot be read as weights alone"), ("a folder", "directory")],
)
def test_files_that_are_none_are_told_in_one_line(
    runner: CliRunner, tmp_path: Path, content: bytes | str | None, message: str
) -> None:
    published, output = tmp_path / "file.pth.tar", tmp_path / "ours.safetensors"
    if isinstance(content, bytes):
        published.write_bytes(content)
    elif content is not None:
        published.mkdir()
    result = runner.invoke(app, ["import", str(published), "--output", str(output)])
    assert result.exit_code == 1
    assert result.stderr.startswith("qaconv-training: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert str(published) in result.stderr
    assert not output.exists()


def test_outputs_that_cannot_be_written_are_told(runner: CliRunner, published: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, ["import", str(published), "--output", str(tmp_path), *SIZE])
    assert result.exit_code == 2
    assert "is a folder" in " ".join(result.output.replace("│", " ").split())
    missing = runner.invoke(app, ["import", str(published), "--output", str(tmp_path / "none" / "x"), *SIZE])
    assert missing.exit_code == 2
    assert "make it first" in " ".join(missing.output.replace("│", " ").split())
