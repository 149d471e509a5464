"""What the trials stand on: a checkpoint whose scores differ, a parent of services, and parameters from outside."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from model.checkpoint import create_checkpoint, save_checkpoint
from tests.service.conftest import TINY
from tests.trials.crop_pool import CropPool, draw_pool
from tests.trials.forked_services import ForkServer

# No test module, but its assertions are to say what differed.
pytest.register_assert_rewrite("tests.trials.gallery_machine")

_POOL_SIZE = 24


@pytest.fixture(scope="session")
def trial_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with random weights in its head: without them, all crops would score nearly alike."""
    path = tmp_path_factory.mktemp("checkpoint") / "trial.safetensors"
    torch.manual_seed(1)
    checkpoint = create_checkpoint("trial", TINY)
    weight = checkpoint.matcher.head.fc.weight
    weight.data = torch.randn_like(weight)
    save_checkpoint(checkpoint, path)
    return path


@pytest.fixture(scope="session")
def crop_pool(trial_checkpoint: Path) -> CropPool:
    return draw_pool(trial_checkpoint, _POOL_SIZE)


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    parent = ForkServer()
    yield parent
    parent.close()
