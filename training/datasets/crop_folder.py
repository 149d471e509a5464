"""A dataset as a folder: the crops, and `detections.csv` that says who, where and when each one is."""

import csv
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from training.datasets.labelled_crop import LabelledCrop

MANIFEST_NAME = "detections.csv"
COLUMNS = ("file", "camera_id", "timestamp", "track_id", "person_id")


def write_crop_folder(folder: Path, crops: Iterable[LabelledCrop]) -> int:
    """Write crops as `crop_000000.jpg`, … with their manifest; `timestamp` is in Unix seconds.

    Returns the number of crops written.

    Raises:
        FileExistsError: the folder already holds a manifest.
    """
    manifest_path = folder / MANIFEST_NAME
    if manifest_path.exists():
        raise FileExistsError(f"{manifest_path} exists: give a new or empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    num_written = 0
    with manifest_path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for crop in crops:
            name = f"crop_{num_written:06d}.jpg"
            (folder / name).write_bytes(crop.read_image_bytes())
            writer.writerow([name, crop.camera_id, f"{crop.timestamp_seconds:.6f}", crop.track_id, crop.person_id])
            num_written += 1
    return num_written


def read_crop_folder(folder: Path) -> list[LabelledCrop]:
    """Read a folder written by `write_crop_folder`, or one made by hand with the same columns.

    Raises:
        FileNotFoundError: the folder has no manifest.
        ValueError: the manifest lacks a column, or a timestamp is not a number.
    """
    manifest_path = folder / MANIFEST_NAME
    with manifest_path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
        if missing:
            raise ValueError(f"{manifest_path} lacks the columns {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
        return [_crop_from_row(folder, row) for row in reader]


def _crop_from_row(folder: Path, row: dict[str, str]) -> LabelledCrop:
    return LabelledCrop(
        person_id=row["person_id"],
        camera_id=row["camera_id"],
        timestamp_seconds=float(row["timestamp"]),
        track_id=row["track_id"],
        read_image_bytes=partial(Path.read_bytes, folder / row["file"]),
    )
