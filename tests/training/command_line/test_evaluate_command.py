import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from model.checkpoint import create_checkpoint, save_checkpoint
from model.config import ModelConfig
from training.command_line import evaluate_command
from training.main import app


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    torch.manual_seed(0)
    config = ModelConfig(input_height=64, input_width=32, backbone="resnet18", final_layer="layer2", channels=16)
    save_checkpoint(create_checkpoint("tiny", config), path)
    return path


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up Market-1501: four people, each seen by two cameras and searched for in one, junk and a distractor."""
    folder = tmp_path_factory.mktemp("market") / "Market-1501-v15.09.15"
    for person in range(1, 5):
        draw(folder / "bounding_box_train" / f"{person + 10:04}_c1s1_000151_01.jpg", person + 10)
        draw(folder / "query" / f"{person:04}_c1s1_{100 * person:06}_00.jpg", person)
        draw(folder / "bounding_box_test" / f"{person:04}_c2s1_{100 * person + 25:06}_00.jpg", person)
    draw(folder / "bounding_box_test" / "-1_c2s1_000151_01.jpg", 1)
    draw(folder / "bounding_box_test" / "0000_c2s1_000161_01.jpg", 77)
    return folder


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = torch.randint(0, 256, (8, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    Image.fromarray(pixels.numpy()).resize((64, 128), Image.Resampling.NEAREST).save(path, quality=95)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_a_benchmark_is_measured_by_name(checkpoint: Path, market: Path, tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    arguments = ["--checkpoint", checkpoint, "--dataset", "market1501", "--folder", market, "--output", output]
    result = run(*arguments, "--lifting", "authors", "--tau-seconds", "50", "--nearby-from", "queries")
    assert result.exit_code == 0, result.output
    assert "4 queries, 10 crops" in result.stdout
    figures = json.loads(output.read_text())
    # The same picture everywhere; junk of person 1's own picture counts neither way.
    assert figures["all_cameras"]["appearance"]["rank1"] == 1.0
    assert figures["all_cameras"]["appearance"]["mean_inverse_negative_penalty"] == 1.0
    assert figures["lifting"] == {"tau_seconds": 50.0, "sigma_seconds": 200.0, "num_pivots": 10, "alpha": 0.2}
    assert figures["settings"]["nearby_from"] == "queries"


def test_the_synthetic_network_is_measured_with_controls_and_plots(checkpoint: Path, tmp_path: Path) -> None:
    arguments = ["--checkpoint", checkpoint, "--people", 4, "--cameras", 2, "--seed", 3, "--json"]
    result = run(*arguments, "--shuffle-times", "1", "--random-weights", "--plots", tmp_path / "plots")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["dataset"] == "synthetic network 3"
    assert all(metrics is not None for metrics in figures["all_cameras"].values())
    assert len(list((tmp_path / "plots").glob("*.png"))) == 3


def test_a_model_of_pooled_features_is_measured_by_them(checkpoint: Path) -> None:
    arguments = ["--checkpoint", checkpoint, "--people", 3, "--cameras", 2, "--no-reranking", "--json"]
    figures = json.loads(run(*arguments, "--score-by", "pooled_cosine").stdout)["all_cameras"]
    assert figures["appearance"] == figures["pooled_cosine"]
    assert figures["appearance"] != json.loads(run(*arguments).stdout)["all_cameras"]["appearance"]


def test_less_is_measured_where_that_is_wanted(checkpoint: Path) -> None:
    result = run("--checkpoint", checkpoint, "--people", 3, "--cameras", 2, "--no-reranking", "--json")
    assert json.loads(result.stdout)["all_cameras"]["reranked"] is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--dataset", "market1501"], "needs --folder"),
        (["--url", "http://127.0.0.1:9", "--plots", "x"], "the service's own model"),
        (["--output", "/nowhere/x.json"], "does not exist"),
        (["--alpha", "-1"], "α not negative"),
        (["--plots", __file__], "is a file: give a folder"),
        (["--device", "toaster"], "give cpu, cuda"),
        (["--device", "meta"], "give cpu, cuda"),
        (["--device", "cuda:99"], "CUDA devices: give cpu"),
    ],
)
def test_mistakes_are_told_before_the_work(arguments: list[str], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--dataset", "nothing", "--folder", "."], "'nothing' is no dataset"),
        (["--dataset", "market1501", "--folder", "/nowhere"], "/nowhere"),
        (["--people", "3", "--cameras", "2", "--url", "http://127.0.0.1:9"], "no service answers at"),
        (["--people", "3", "--cameras", "2", "--url", "http://127.0.0.1:9", "--api-key-file", "/none"], "/none"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(arguments: list[str], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("qaconv-training: ")]
    assert len(lines) == 1
    assert told in lines[0]


def test_plots_without_matplotlib_are_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_command, "find_spec", lambda name: None)
    result = run("--plots", "plots")
    assert result.exit_code == 2
    assert "qaconv[plots]" in " ".join(result.stderr.replace("│", " ").split())
