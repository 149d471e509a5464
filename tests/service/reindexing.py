"""Reindexing in this process and in one of its own, and looking at what is on the disk."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import lmdb
import numpy as np
import numpy.typing as npt
import torch

from model.checkpoint import load_checkpoint
from model.preprocessing import preprocess_crop
from service.components import Components
from service.inference.feature_extraction import FeatureExtraction
from service.inference.image_decoding import ImageLimits, open_upright
from service.records import DetectionRecord
from service.reindex.reindex_progress import ReindexProgress, ReindexSummary
from service.reindex.run_reindex import run_reindex
from service.settings import Settings
from service.storage.record_encoding import decode_metadata
from tests.service.drawn_crops import crop_file
from tests.service.stored_crops import draw_record

# A value of unit length's map is below 1: neighbours in float16 are 2⁻¹¹ apart at most. In another batch the float32
# sums come in another order, and a value may round to its neighbour.
ONE_ROUNDING = 2**-11


def ignore(_progress: ReindexProgress) -> None:
    pass


async def reindex(settings: Settings, checkpoint: Path, batch: int = 32, *, discards: bool = False) -> ReindexSummary:
    """A reindex in this process, whose components are closed: LMDB is opened once in a process."""
    wanted = settings.model_copy(update={"checkpoint": checkpoint})
    return await asyncio.to_thread(run_reindex, wanted, batch, discards=discards, report=ignore)


def start_command(log_path: Path, command: str, *flags: object) -> "subprocess.Popen[str]":
    """`qaconv-service` with a command, in a process of its own that writes to a file."""
    with log_path.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "service.main", command, *map(str, flags)],
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1", "QACONV_DEVICE": "cpu"},
            text=True,
        )


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What the files say, read without the code under test.

    Attributes:
        model: the entries of the database `gallery`.
        staged: detections with a map made anew.
        fingerprints: of the records' maps, by detection.
    """

    model: dict[str, str]
    staged: tuple[str, ...]
    fingerprints: dict[str, str]


def look_at(data_dir: Path) -> OnDisk:
    with lmdb.open(str(data_dir / "records"), readonly=True, max_dbs=8) as environment:
        gallery, staged, metadata = (
            environment.open_db(name, create=False) for name in (b"gallery", b"reindexed_maps", b"metadata")
        )
        with environment.begin() as transaction:
            model = {key.decode(): value.decode() for key, value in transaction.cursor(gallery)}
            model.pop("disk_capacity_bytes")
            records = [decode_metadata(value) for _, value in transaction.cursor(metadata)]
            staged_ids = tuple(key.decode() for key in transaction.cursor(staged).iternext(values=False))
    return OnDisk(model, staged_ids, {each.detection_id: each.model_fingerprint for each in records})


def record_with_image(components: Components, detection_id: str, seed: int, **changes: object) -> DetectionRecord:
    """A record whose crop is an image, and whose map is made up: as quick to make as to write."""
    return replace(draw_record(components, detection_id, seed, **changes), crop=crop_file(seed))


def extract_maps(checkpoint: Path, crops: Sequence[bytes]) -> list[npt.NDArray[np.float16]]:
    """What a model makes of image files, one after the other."""
    loaded = load_checkpoint(checkpoint)
    extraction = FeatureExtraction(loaded.extractor, torch.device("cpu"))
    images = [open_upright(crop, ImageLimits(10**7, 8))[0] for crop in crops]
    return [extraction.extract([preprocess_crop(image, loaded.config)])[0] for image in images]


def assert_same_maps(found: Sequence[npt.NDArray[np.float16]], expected: Sequence[npt.NDArray[np.float16]]) -> None:
    difference = np.stack(found).astype(np.float32) - np.stack(expected).astype(np.float32)
    assert np.abs(difference).max() <= ONE_ROUNDING
