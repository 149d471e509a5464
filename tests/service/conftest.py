"""What tests of the service stand on: a tiny model, its components in this process, and whole services as processes."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import torch

from model.checkpoint import create_checkpoint, save_checkpoint
from model.config import ModelConfig
from service.components import Components, open_components
from service.recover_gallery import recover_gallery
from service.settings import Settings
from tests.service.declared_answers import open_checked_client
from tests.service.running_service import RunningService

TINY = ModelConfig(64, 32, backbone="resnet18", final_layer="layer2", channels=16)

StartService = Callable[..., RunningService]


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights, quick to load and to run: maps of 8 × 4 locations and 16 channels."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    torch.manual_seed(1)
    save_checkpoint(create_checkpoint("tiny", TINY), path)
    return path


@pytest.fixture(scope="session")
def newer_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model of the same size."""
    path = tmp_path_factory.mktemp("checkpoint") / "newer.safetensors"
    torch.manual_seed(2)
    save_checkpoint(create_checkpoint("newer", TINY), path)
    return path


@pytest.fixture
def settings(data_dir: Path, tiny_checkpoint: Path) -> Settings:
    """Settings of a service with the tiny model and an embedded Redis."""
    return Settings(data_dir=data_dir, checkpoint=tiny_checkpoint, device="cpu", gallery_capacity=1000)


@pytest.fixture
async def components(settings: Settings) -> AsyncIterator[Components]:
    """A service's components in this process, recovered and empty."""
    async with open_components(settings) as opened:
        await recover_gallery(opened)
        yield opened


@pytest.fixture
def start_service(tmp_path: Path, tiny_checkpoint: Path) -> Iterator[StartService]:
    """Starts services on one data directory; those still running are killed at the end."""
    started: list[RunningService] = []

    def start(**settings: object) -> RunningService:
        started.append(RunningService.start(tmp_path / "service", tiny_checkpoint, **settings))
        return started[-1]

    yield start
    for service in started:
        if service.process.poll() is None:
            service.kill()


@pytest.fixture(scope="session")
def running_service(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Iterator[RunningService]:
    """One service for all tests that do not end it; each uses detection IDs and cameras of its own."""
    service = RunningService.start(tmp_path_factory.mktemp("running") / "data", tiny_checkpoint)
    yield service
    assert service.stop() == 0, service.log


@pytest.fixture(scope="session")
def service_client(running_service: RunningService) -> Iterator[httpx.Client]:
    """A client of `running_service`; every answer is held against the service's OpenAPI document."""
    with open_checked_client(running_service.url) as client:
        yield client
