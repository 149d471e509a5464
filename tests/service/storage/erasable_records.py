"""Records of which every part can be told again in a file's raw bytes, and which of them are there."""

import random
import re
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.records import DetectionMetadata, DetectionRecord
from service.storage.detection_store import DetectionStore

# What is in a leaf page, in one overflow page to its last byte but few, and in several.
CROP_BYTES = (40, 500, 1900, 2500, 4079, 4080, 9000)
MAP_SHAPES = ((2, 4, 2), (16, 8, 4), (16, 8, 4), (16, 24, 8))

# With a checksum: pieces of two records, side by side in what was overwritten by half, are no third one.
_TALE = re.compile(rb"tale:[ctpim]:(\d{8}):([0-9a-f]{8})")


def draw_record(detection_id: str, number: int, drawn: random.Random) -> DetectionRecord:
    """A record of some size; its number stands all over its metadata, its crop and its map."""
    size = drawn.choice(CROP_BYTES)
    metadata = DetectionMetadata(
        detection_id=detection_id,
        camera_id=_tale("c", number),
        timestamp_us=number,
        track_id=_tale("t", number),
        person_id=_tale("p", number),
        image_width=60,
        image_height=160,
        image_media_type="image/jpeg",
        model_fingerprint="f" * 64,
        created_at_us=number,
    )
    feature_map = np.resize(map_of(number), drawn.choice(MAP_SHAPES))
    tale = _tale("i", number).encode()
    return DetectionRecord(metadata, feature_map, (tale * (size // len(tale) + 1))[:size])


def map_of(number: int) -> npt.NDArray[np.float16]:
    """A feature map of few values, in which a number stands once."""
    return np.frombuffer(_tale("m", number).encode(), np.float16).reshape(-1, 1, 1)


def numbers_in(directory: Path) -> set[int]:
    """The numbers of the records of which something stands in any file under a directory."""
    # Opening LMDB's own lock file in this process and closing it would drop LMDB's locks.
    contents = [path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.name != "lock.mdb"]
    tales = (tale for content in contents for tale in _TALE.findall(content))
    return {int(number) for number, checksum in tales if b"%08x" % zlib.crc32(number) == checksum}


def change_value(store: DetectionStore, database: bytes, key: bytes, value: bytes) -> None:
    """Damage a part of a record, of a store in use."""
    opened = store._environment.open_db(database)
    with store._environment.begin(write=True) as transaction:
        transaction.put(key, value, db=opened)


def _tale(kind: str, number: int) -> str:
    digits = f"{number:08}"
    return f"tale:{kind}:{digits}:{zlib.crc32(digits.encode()):08x}"
