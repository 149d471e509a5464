"""A dataset as a folder: the crops, and `detections.csv` that says who, where and when each one is."""

import csv
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from training.datasets.labelled_crop import LabelledCrop
from training.datasets.manifest_time import EXPECTED, parse_manifest_time

MANIFEST_NAME = "detections.csv"
COLUMNS = ("file", "camera_id", "timestamp", "track_id", "person_id")
_REQUIRED = ("file", "camera_id", "timestamp", "person_id")
_REMEDY = {
    "file": "the name of an image beside the manifest",
    "camera_id": "the name of the camera that saw the crop",
    "timestamp": EXPECTED,
    "person_id": "who is seen, without which nothing can be trained or evaluated",
}


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
    """Read a folder written by `write_crop_folder`, or one made by hand, in the form that the service ingests.

    `timestamp` is RFC 3339 or Unix seconds. Without a `track_id`, unique in the folder, a crop is a track of its own.
    Unlike for the service, `person_id` is required. Other columns are left alone.

    Raises:
        OSError: there is no manifest, or it cannot be read.
        ValueError: the manifest lacks a column or has no rows, or a row lacks a value, has one that is not understood
            or names a file that is not there; says which row and what is expected.
    """
    manifest_path = folder / MANIFEST_NAME
    try:
        # Spreadsheet programs begin UTF-8 files with a byte order mark.
        with manifest_path.open(newline="", encoding="utf-8-sig") as stream:
            crops = list(_read_rows(manifest_path, csv.DictReader(stream, strict=True)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{manifest_path} cannot be read as a CSV in UTF-8: {error}") from error
    if not crops:
        raise ValueError(f"{manifest_path} lists no crops: it needs a row for each")
    return crops


def _read_rows(manifest_path: Path, reader: "csv.DictReader[str]") -> Iterator[LabelledCrop]:
    missing = [column for column in _REQUIRED if column not in (reader.fieldnames or [])]
    if missing:
        expected = "; ".join(f"{column}: {_REMEDY[column]}" for column in missing)
        raise ValueError(f"{manifest_path} lacks the columns {', '.join(missing)}; add {expected}")
    for row in reader:
        # Cells too few are None, cells too many stand in a list under the key None.
        cells = {name: (cell or "").strip() for name, cell in row.items() if isinstance(name, str)}
        try:
            yield _crop_from_row(manifest_path.parent, cells)
        except ValueError as error:
            raise ValueError(f"{manifest_path}, line {reader.line_num}: {error}") from error


def _crop_from_row(folder: Path, row: dict[str, str]) -> LabelledCrop:
    for column in _REQUIRED:
        if not row[column]:
            raise ValueError(f"{column} is empty; expected {_REMEDY[column]}")
    path = folder / row["file"]
    if not path.is_file():
        raise ValueError(f"file: {row['file']!r} is not there; expected {_REMEDY['file']}")
    try:
        seconds = parse_manifest_time(row["timestamp"])
    except ValueError as error:
        raise ValueError(f"timestamp: {row['timestamp']!r}: {error}; expected {EXPECTED}") from error
    return LabelledCrop(
        person_id=row["person_id"],
        camera_id=row["camera_id"],
        timestamp_seconds=seconds,
        track_id=row.get("track_id") or row["file"],
        read_image_bytes=partial(Path.read_bytes, path),
        source=str(path),
    )
