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
    assert trained.stdout.index("training will take about") < trained.stdout.index("epochs over")
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


def test_a_folder_keeps_a_run_which_the_same_command_finishes(runner: CliRunner, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = ["train", "tiny", "--output", str(folder), "--threads", "1", "--set", "stages.0.steps_per_epoch=3"]
    first = runner.invoke(app, command)
    assert first.exit_code == 0, first.output
    assert {path.name for path in folder.iterdir()} == {
        "last.safetensors", "best.safetensors", "state.pt", "tensorboard"
    }  # fmt: skip
    finished = load_checkpoint(folder / "last.safetensors")
    assert finished.provenance["recipe"]["stages"][0]["steps_per_epoch"] == 3
    again = runner.invoke(app, command)
    assert again.exit_code == 0, again.output
    assert "epochs over" not in again.output  # nothing was left to do
    assert "training will take" not in again.output
    assert load_checkpoint(folder / "last.safetensors").fingerprint == finished.fingerprint
    other = runner.invoke(app, [*command, "--set", "seed=2"])
    assert other.exit_code == 1
    assert "left by another recipe" in other.stderr


def test_a_dataset_of_a_folder_is_trained_on(runner: CliRunner, tmp_path: Path) -> None:
    crops, output = tmp_path / "crops", tmp_path / "own.safetensors"
    runner.invoke(app, ["synthesise", str(crops), "--people", "6", "--cameras", "2", "--seed", "3"])
    arguments = ["train", "tiny", "--output", str(output), "--threads", "1", "--set", "stages.0.steps_per_epoch=2"]
    result = runner.invoke(app, [*arguments, "--dataset", "csv", "--folder", str(crops)])
    assert result.exit_code == 0, result.output
    assert load_checkpoint(output).provenance["data"]["source"] == "csv"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "optimizer.momentun=1"], "there is no field 'optimizer.momentun'"),
        (["--set", "seed=x"], "expected a whole number"),
        (["--dataset", "market1501"], "give both, or neither"),
        (["--set", "stages.0.sampling.persons_per_batch=0"], "persons_per_batch is 0: give at least 1"),
    ],
)
def test_settings_that_are_none_are_told(runner: CliRunner, tmp_path: Path, arguments: list[str], told: str) -> None:
    result = runner.invoke(app, ["train", "tiny", "--output", str(tmp_path / "x.safetensors"), *arguments])
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_the_fields_of_a_recipe_are_listed_as_they_are_set(runner: CliRunner) -> None:
    listed = runner.invoke(app, ["train", "tiny", "--set", "seed=7", "--list-fields"])
    assert listed.exit_code == 0, listed.output
    lines = listed.stdout.splitlines()
    assert {"seed=7", "optimizer.momentum=0.9", "source.networks.0.num_people=12", "imagenet_weights=false"} <= {*lines}
    again = runner.invoke(app, ["train", "tiny", "--list-fields", *(f"--set={line}" for line in lines)])
    assert again.stdout == listed.stdout
    assert "--output says where" in runner.invoke(app, ["train", "tiny"]).stderr


def test_a_checkpoint_to_start_from_takes_the_place_of_a_recipes_imagenet_weights(runner: CliRunner) -> None:
    command = ["train", "efficientnet_lite0", "--list-fields"]
    assert "imagenet_weights=true" in runner.invoke(app, command).stdout.splitlines()
    started = runner.invoke(app, [*command, "--start-from", "mine.safetensors"]).stdout.splitlines()
    assert {"imagenet_weights=false", "start_from=mine.safetensors"} <= {*started}


def test_a_start_that_is_not_there_is_told_before_the_work(runner: CliRunner, tmp_path: Path) -> None:
    start = tmp_path / "nowhere.safetensors"
    arguments = ["train", "tiny", "--output", str(tmp_path / "x.safetensors"), "--threads", "1"]
    result = runner.invoke(app, [*arguments, "--start-from", str(start)])
    assert result.exit_code == 1
    assert "nowhere.safetensors" in "".join(result.stderr.split())
    assert "epochs over" not in result.output
    both = runner.invoke(app, [*arguments, "--start-from", str(start), "--imagenet-weights"])
    assert both.exit_code == 2
    assert "give one of them" in " ".join(both.stderr.replace("│", " ").split())


def test_an_output_that_cannot_be_written_is_refused_before_training(runner: CliRunner, tmp_path: Path) -> None:
    # Nobody, root included, can make a file or a folder in /proc.
    for output, code in ((Path("/proc/x.safetensors"), 2), (Path("/proc/x"), 1)):
        result = runner.invoke(app, ["train", "tiny", "--output", str(output), "--threads", "1"])
        assert result.exit_code == code
        told = " ".join(result.stderr.replace("│", " ").split())
        assert "cannot be written to" in told or "No such file" in told
        assert "epochs over" not in result.output
    (tmp_path / "folder.safetensors").mkdir()
    result = runner.invoke(app, ["train", "tiny", "--output", str(tmp_path / "folder.safetensors"), "--threads", "1"])
    assert result.exit_code == 2
    assert "is a folder" in " ".join(result.stderr.replace("│", " ").split())


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
    assert "epochs over" not in result.output  # it fails before the work begins
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
    assert "torchvision's resnet18" in trained.provenance["started_from"]["name"]
    assert float(trained.extractor.state_dict()["backbone.bn1.weight"].mean()) == pytest.approx(3.0, abs=0.5)
