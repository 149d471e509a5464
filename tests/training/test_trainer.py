from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.datasets.crop_pixels import CropPixels, read_crop_pixels
from training.recipes import Recipe, Stage, tiny
from training.run_recipe import build_network
from training.trainer import StepReport, learning_rate, train


@pytest.fixture(scope="module")
def crops() -> CropPixels:
    recipe = tiny()
    return read_crop_pixels(build_network(recipe.networks[0]), recipe.crop_height, recipe.crop_width)


def run(recipe: Recipe, crops: CropPixels) -> tuple[list[StepReport], Checkpoint]:
    reports: list[StepReport] = []
    model = train(recipe, crops, lambda report, _: reports.append(report))
    return reports, model


def test_losses_fall_and_the_checkpoint_loads(crops: CropPixels, tmp_path: Path) -> None:
    reports, model = run(tiny(), crops)
    first, last = reports[2:8], reports[-6:]
    assert sum(r.matching_loss for r in last) < 0.8 * sum(r.matching_loss for r in first)
    assert sum(r.contrastive_loss for r in last) < 0.9 * sum(r.contrastive_loss for r in first)
    assert not model.extractor.training
    assert not model.matcher.training
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(model, path)
    loaded = load_checkpoint(path)
    assert loaded.fingerprint == model.fingerprint
    pixels = torch.from_numpy(crops.pixels[:2])
    with torch.no_grad():
        maps = loaded.extractor(pixels)
        torch.testing.assert_close(maps, model.extractor(pixels))
        assert torch.isfinite(loaded.matcher(maps, maps)).all()


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    stage = Stage(64, 32, steps=110, persons_per_batch=1, crops_per_person=1, classes_per_step=1, learning_rate=0.1,
                  warmup_steps=10)  # fmt: skip
    rates = [learning_rate(stage, step) for step in range(stage.steps)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.1)
    assert rates[60] == pytest.approx(0.05, rel=1e-6)
    assert rates[-1] < 1e-4
    assert rates[10:] == sorted(rates[10:], reverse=True)
