"""The services of the model-based trial, kept from one run of its machine to the next."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.service.stoppable_redis import StoppableRedis
from tests.trials.crop_pool import CropPool
from tests.trials.forked_services import ForkedService, ForkServer
from tests.trials.gallery_operations import EVERYTHING
from tests.trials.parameters import Figures

MAX_NEARBY = 8


@dataclass(slots=True)
class World:
    """What all runs of the machine share. A service is kept for the next run, unless this one went wrong."""

    parent: ForkServer
    checkpoint: Path
    pool: CropPool
    directory: Path
    figures: Figures
    before: tuple[str, ...] | None = None
    kept: "dict[str, KeptService]" = field(default_factory=dict)

    def take(self, kind: str) -> "KeptService":
        """A service with nothing in it, and a Redis of one kind."""
        kept = self.kept.pop(kind, None)
        if kept is not None:
            with kept.connect() as client:
                client.post("/v1/detections:erase", json=EVERYTHING).raise_for_status()
            return kept
        # A short path: that of a Unix socket has at most 103 bytes.
        directory = Path(tempfile.mkdtemp(prefix="m", dir=self.directory))
        kept = KeptService(self, directory, StoppableRedis(directory) if kind == "external" else None)
        if kept.redis is not None:
            kept.redis.start()
        kept.start()
        return kept

    def close(self) -> None:
        for kept in self.kept.values():
            kept.close()
        self.kept.clear()


@dataclass(slots=True)
class KeptService:
    """A service on its data directory, and the Redis that is not its own."""

    world: World
    directory: Path
    redis: StoppableRedis | None
    process: ForkedService | None = None

    def start(self) -> None:
        redis_settings = {} if self.redis is None else {"redis_url": self.redis.url}
        self.process = ForkedService.start(
            self.world.parent,
            self.directory / "data",
            self.world.checkpoint,
            self.world.before,
            # Crops of one batch may differ in a last bit from those extracted alone, as the pool's were.
            extraction_batch=1,
            max_nearby=MAX_NEARBY,
            gallery_capacity=500,
            **redis_settings,
        )

    def connect(self) -> httpx.Client:
        assert self.process is not None
        return httpx.Client(base_url=self.process.url, timeout=60, verify=False)

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
        if self.redis is not None:
            self.redis.kill()
        shutil.rmtree(self.directory)
