"""A program that writes to a DetectionStore at random and says what was acknowledged, to be run on a disk that forgets.

    python -m tests.trials.store_workload DIRECTORY SEED OPERATIONS [without-sync]

A record follows from its ID and version in every part, so that a mixture of two shows.
"""

import asyncio
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import lmdb
import numpy as np

from service.records import DetectionMetadata, DetectionRecord
from service.storage.detection_store import DetectionStore
from tests.trials.forgetful_disk import ACKNOWLEDGEMENTS

WRITERS = 4
_IDS_OF_A_WRITER = 12
_OPERATIONS_OF_A_SESSION = 60


def make_record(detection_id: str, version: int) -> DetectionRecord:
    """The record of one version of a detection; some are small, some take many pages of the disk."""
    draw = np.random.default_rng([version, *detection_id.encode()])
    metadata = DetectionMetadata(
        detection_id=detection_id,
        camera_id=f"c{version % 3}",
        timestamp_us=1_790_000_000_000_000 + version,
        track_id=f"t{version}",
        person_id=f"p{version}",
        image_width=20 + version % 50,
        image_height=80,
        image_media_type="image/jpeg",
        model_fingerprint="f" * 64,
        created_at_us=1_790_000_000_000_001,
    )
    feature_map = draw.standard_normal((16, 8, 4)).astype(np.float16)
    return DetectionRecord(metadata, feature_map, draw.bytes(int(draw.choice([200, 1500, 5000, 20000]))))


@dataclass(slots=True)
class _Acknowledgements:
    """Lines `begin ID VERSION` before a write and `done ID VERSION` after it; version 0 is an erasure."""

    descriptor: int

    def say(self, word: str, versions: dict[str, int]) -> None:
        lines = "".join(f"{word} {detection_id} {version}\n" for detection_id, version in versions.items())
        os.write(self.descriptor, lines.encode())


async def _write(store: DetectionStore, said: _Acknowledgements, writer: int, draw: random.Random, start: int) -> None:
    ids = [f"w{writer}-{number:02}" for number in range(_IDS_OF_A_WRITER)]
    for version in range(start, start + _OPERATIONS_OF_A_SESSION // WRITERS):
        if draw.random() < 0.25:
            erased = dict.fromkeys(draw.sample(ids, draw.randint(1, 5)), 0)
            said.say("begin", erased)
            await store.delete(list(erased))
            said.say("done", erased)
        else:
            detection_id = draw.choice(ids)
            said.say("begin", {detection_id: version})
            await store.put(make_record(detection_id, version))
            said.say("done", {detection_id: version})


async def _session(directory: Path, said: _Acknowledgements, draw: random.Random, start: int) -> None:
    store = DetectionStore.open(directory / "data", capacity_bytes=2**26)
    await asyncio.gather(*(_write(store, said, writer, draw, start) for writer in range(WRITERS)))
    store.close()


def run(directory: Path, seed: int, operations: int) -> None:
    """Writes in several sessions, each of which opens and closes the store."""
    draw = random.Random(seed)
    said = _Acknowledgements(os.open(directory / ACKNOWLEDGEMENTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    for start in range(1, operations, _OPERATIONS_OF_A_SESSION):
        asyncio.run(_session(directory, said, draw, start))


def _forget_to_synchronise() -> None:
    """For the trial of the trial: LMDB as fast as it is without being safe."""
    opens = lmdb.open
    lmdb.open = lambda *arguments, **options: opens(*arguments, **{**options, "sync": False})


if __name__ == "__main__":
    if sys.argv[4:] == ["without-sync"]:
        _forget_to_synchronise()
    run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
