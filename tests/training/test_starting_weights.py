"""A run starts from a checkpoint's weights, at whatever input size, or says why it cannot."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint, CheckpointError, create_checkpoint, load_checkpoint, save_checkpoint
from training.recipe import Recipe
from training.recipes import tiny
from training.resizing import resize_model
from training.starting_weights import starting_model
from training.trainer import train
from training_run import small_crops, small_recipe


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A checkpoint of the tiny recipe's architecture, for larger crops."""
    torch.manual_seed(7)
    config = replace(tiny().model_config, input_height=96, input_width=48)
    stage = replace(tiny().stages[0], input_height=96, input_width=48)
    path = tmp_path / "start.safetensors"
    save_checkpoint(starting_model(replace(tiny(), model_config=config, stages=(stage,))), path)
    return path


def _starting_from(path: Path) -> Recipe:
    return replace(tiny(), start_from=str(path))


def test_the_convolutions_are_the_checkpoints_and_the_head_is_resized(start: Path) -> None:
    """The extractor has no weight that depends on the input's size; the head has one for every location."""
    torch.manual_seed(7)
    same_seed = starting_model(tiny())
    torch.manual_seed(8)
    model = starting_model(_starting_from(start))

    assert model.config == tiny().model_config
    assert model.name == "tiny"
    expected = same_seed.extractor.state_dict()
    assert all(torch.equal(weights, expected[name]) for name, weights in model.extractor.state_dict().items())
    found = load_checkpoint(start)
    resized = resize_model(found, tiny().model_config.input_height, tiny().model_config.input_width)
    assert torch.equal(model.matcher.head.fc.weight, resized.matcher.head.fc.weight)
    assert model.provenance == {"started_from": {"name": "tiny", "fingerprint": found.fingerprint}}


def test_another_architecture_is_refused(start: Path) -> None:
    """Both configs are named."""
    recipe = _starting_from(start)
    wider = replace(recipe, model_config=replace(recipe.model_config, channels=64))
    with pytest.raises(ValueError, match=r"channels=32.*channels=64"):
        starting_model(wider)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    """Nothing is started from what cannot be read."""
    path = tmp_path / "notes.safetensors"
    path.write_text("not weights")
    with pytest.raises(CheckpointError):
        starting_model(_starting_from(path))


def test_two_starts_are_refused(start: Path) -> None:
    """ImageNet's weights and a checkpoint's cannot both be the first."""
    with pytest.raises(ValueError, match="give one of them"):
        replace(_starting_from(start), imagenet_weights=True)


class _Stopped(Exception):  # noqa: N818 (says what is the case)
    """Raised after an epoch, as if the process had been ended there."""


def test_a_run_that_goes_on_needs_its_start_no_more_and_still_names_it(tmp_path: Path) -> None:
    """The state holds the weights, and what they came from."""
    path, state_path = tmp_path / "start.safetensors", tmp_path / "state.pt"
    recipe = replace(small_recipe(epochs=2, steps=1), start_from=str(path))
    torch.manual_seed(7)
    start = create_checkpoint("start", recipe.model_config)
    save_checkpoint(start, path)
    through = train(recipe, small_crops())

    def stop(stage: int, epoch: int, step: int, model: Checkpoint) -> None:
        if step == 2:
            raise _Stopped

    with pytest.raises(_Stopped):
        train(recipe, small_crops(), on_epoch=stop, state_path=state_path)
    path.unlink()
    resumed = train(recipe, small_crops(), state_path=state_path)

    assert resumed.fingerprint == through.fingerprint
    assert resumed.provenance["started_from"] == {"name": "start", "fingerprint": start.fingerprint}
