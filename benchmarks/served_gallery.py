"""What the service's benchmarks search: drawn crops with the shipped model's maps, and a gallery of them on the disk.

Random unit vectors would not do: their scores are all nearly alike, and what searches may skip depends on how scores
spread. A larger gallery than the crops drawn has blends of two crops' maps, so that no two detections are the same.
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.checkpoint import Checkpoint, load_checkpoint, shipped_checkpoint_path
from model.preprocessing import preprocess_crop
from service.records import MICROSECONDS_PER_SECOND, DetectionMetadata, DetectionRecord
from service.storage.detection_store import DetectionStore
from training.synthetic.network import SyntheticNetwork

CAMERAS = 6
# One detection every two seconds, over six cameras: some 17 of a query's camera are within τ = 100 s of it, as in the
# synthetic network with its usual traffic.
SECONDS_BETWEEN = 2
_START_US = 1_790_000_000 * MICROSECONDS_PER_SECOND
_NETWORK_SEED = 20
_MIN_BLEND, _MAX_BLEND = 0.1, 0.4
_EXTRACTED_TOGETHER = 32
_WRITTEN_TOGETHER = 256


@dataclass(frozen=True, slots=True)
class DrawnCrop:
    """A crop of the synthetic network: JPEG file, upright size, who, and its map, float16 [d, h, w]."""

    content: bytes
    width: int
    height: int
    person_id: str
    feature_map: npt.NDArray[np.float16]


def load_network(path: Path | None = None) -> Checkpoint:
    """A checkpoint for extraction; without a path the shipped one."""
    checkpoint = load_checkpoint(path or shipped_checkpoint_path())
    checkpoint.extractor.eval().to(memory_format=torch.channels_last)
    return checkpoint


def draw_crops(checkpoint: Checkpoint, people: int, crops_each: int) -> list[DrawnCrop]:
    """Crops of a synthetic network's people, as far apart in time as they come; each person's stand together."""
    network = SyntheticNetwork(_NETWORK_SEED, people, CAMERAS)
    of_person: dict[str, list[int]] = {}
    for number, crop in enumerate(network):
        of_person.setdefault(crop.person_id, []).append(number)
    chosen = [
        numbers[len(numbers) * each // crops_each] for numbers in of_person.values() for each in range(crops_each)
    ]
    files = [network[number].read_image_bytes() for number in chosen]
    images = [Image.open(BytesIO(file)).convert("RGB") for file in files]
    maps = extract_maps(checkpoint, images)
    return [
        DrawnCrop(file, image.width, image.height, network[number].person_id, feature_map)
        for file, image, number, feature_map in zip(files, images, chosen, maps, strict=True)
    ]


def extract_maps(checkpoint: Checkpoint, images: Sequence[Image.Image]) -> list[npt.NDArray[np.float16]]:
    """Feature maps float16 [d, h, w], as the service makes them."""
    maps: list[npt.NDArray[np.float16]] = []
    for start in range(0, len(images), _EXTRACTED_TOGETHER):
        some = images[start : start + _EXTRACTED_TOGETHER]
        pixels = torch.stack([preprocess_crop(image, checkpoint.config) for image in some])
        with torch.inference_mode():
            batch = checkpoint.extractor(pixels.contiguous(memory_format=torch.channels_last))
        maps += list(batch.to(torch.float16).contiguous().numpy())
    return maps


def gallery_records(crops: Sequence[DrawnCrop], count: int, fingerprint: str) -> Iterator[DetectionRecord]:
    """A gallery of `count` detections, in time order: the drawn crops, then blends of two of them.

    A blend is nearest to the crop that is stored with it; its map has unit length at every location again.
    """
    random = np.random.default_rng(count)
    for number in range(count):
        crop = crops[number % len(crops)]
        feature_map = crop.feature_map
        if number >= len(crops):
            other = crops[(number + int(random.integers(1, len(crops)))) % len(crops)]
            feature_map = _blend(feature_map, other.feature_map, random.uniform(_MIN_BLEND, _MAX_BLEND))
        yield DetectionRecord(_describe(number, crop, fingerprint), feature_map, crop.content)


def fill_data_directory(data_dir: Path, records: Iterator[DetectionRecord]) -> None:
    """Writes records as an ingest would have left them on the disk; a service reads them when it starts."""
    asyncio.run(_fill(data_dir, records))


def describe_moment(number: float) -> str:
    """When detection `number` of the gallery was seen, RFC 3339."""
    return datetime.fromtimestamp(_moment_us(number) / MICROSECONDS_PER_SECOND, UTC).isoformat()


def camera_of(number: int) -> str:
    """Which camera saw detection `number` of the gallery."""
    return f"camera-{number % CAMERAS}"


def _blend(one: npt.NDArray[np.float16], other: npt.NDArray[np.float16], share: float) -> npt.NDArray[np.float16]:
    mixed = (1 - share) * one.astype(np.float32) + share * other.astype(np.float32)
    unit: npt.NDArray[np.float16] = (mixed / np.linalg.norm(mixed, axis=0)).astype(np.float16)
    return unit


def _moment_us(number: float) -> int:
    return _START_US + round(number * SECONDS_BETWEEN * MICROSECONDS_PER_SECOND)


def _describe(number: int, crop: DrawnCrop, fingerprint: str) -> DetectionMetadata:
    return DetectionMetadata(
        detection_id=f"detection-{number:07}",
        camera_id=camera_of(number),
        timestamp_us=_moment_us(number),
        track_id=f"track-{number // 5}",
        person_id=crop.person_id,
        image_width=crop.width,
        image_height=crop.height,
        image_media_type="image/jpeg",
        model_fingerprint=fingerprint,
        created_at_us=_moment_us(number),
    )


async def _fill(data_dir: Path, records: Iterator[DetectionRecord]) -> None:
    store = DetectionStore.open(data_dir)
    try:
        waiting: list[DetectionRecord] = []
        for record in records:
            waiting.append(record)
            if len(waiting) == _WRITTEN_TOGETHER:
                await asyncio.gather(*map(store.put, waiting))
                waiting.clear()
        await asyncio.gather(*map(store.put, waiting))
    finally:
        store.close()
