"""A run starts from a checkpoint's weights, at whatever input size, or says why it cannot."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.checkpoint import CheckpointError, save_checkpoint
from training.recipe import Recipe
from training.recipes import tiny
from training.starting_weights import starting_model


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
    assert model.matcher.head.fc.weight.shape == same_seed.matcher.head.fc.weight.shape


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
