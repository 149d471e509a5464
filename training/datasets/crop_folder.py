"""A dataset as a folder: the crops, and `detections.csv` that says who, where and when each one is."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.datasets.dataset_folder import list_entries
from training.datasets.labelled_crop import LabelledCrop, file_crop
from training.datasets.manifest_time import EXPECTED, parse_manifest_time

MANIFEST_NAME = "detections.csv"
COLUMNS = ("file", "camera_id", "timestamp", "track_id", "person_id")
TRAINING, QUERY, GALLERY = "train", "query", "gallery"
_SPLIT_COLUMN = "split"
_REQUIRED = ("file", "person_id", "camera_id", "timestamp")
_REMEDY = {
    "file": "the name of an image beside the manifest",
    "camera_id": "the name of the camera that saw the crop",
    "timestamp": EXPECTED,
    "person_id": "who is seen, without which nothing can be trained or evaluated",
    _SPLIT_COLUMN: f"{TRAINING}, {QUERY} or {GALLERY}",
}


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """A crop, and the part of the dataset that the manifest puts it in; None where it has no column `split`."""

    crop: LabelledCrop
    split: str | None


def write_crop_folder(folder: Path, crops: Iterable[LabelledCrop]) -> int:
    """Write crops as `crop_000000.jpg`, … with their manifest; `timestamp` is in Unix seconds.

    Returns the number of crops written.

    Raises:
        FileExistsError: the folder already holds a manifest, or is a file.
        OSError: nothing can be written there.
    """
    manifest_path = folder / MANIFEST_NAME
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: give a new or empty folder")
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


def find_manifest(path: Path) -> Path:
    """The manifest of a folder, or the file itself that is given.

    Raises:
        FileNotFoundError: there is none.
    """
    manifest_path = path / MANIFEST_NAME if path.is_dir() else path
    if not manifest_path.is_file():
        held = f", but {path} holds {list_entries(path)}" if path.is_dir() else ""
        raise FileNotFoundError(f"{manifest_path} is not there: expected a CSV of {', '.join(_REQUIRED)}{held}")
    return manifest_path


def read_manifest(manifest_path: Path) -> list[ManifestRow]:
    """Read a manifest in the form that the service ingests: a CSV of `file, person_id, camera_id, timestamp`.

    Files are relative to the manifest. `timestamp` is RFC 3339 or Unix seconds. Without a `track_id`, unique in the
    manifest, a crop is a track of its own. Unlike for the service, `person_id` is required. `split` may say `train`,
    `query` or `gallery`. Other columns are left alone.

    Returns:
        At least one row; all have a split, or none.

    Raises:
        OSError: there is no manifest, or it cannot be read.
        ValueError: the manifest lacks a column or has no rows, or a row lacks a value, has one that is not understood
            or names a file that is not there; says which row and what is expected.
    """
    try:
        # Spreadsheet programs begin UTF-8 files with a byte order mark.
        with manifest_path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(_read_rows(manifest_path, csv.DictReader(stream, strict=True)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{manifest_path} cannot be read as a CSV in UTF-8: {error}") from error
    if not rows:
        raise ValueError(f"{manifest_path} lists no crops: it needs a row for each")
    return rows


def _read_rows(manifest_path: Path, reader: "csv.DictReader[str]") -> Iterator[ManifestRow]:
    columns = reader.fieldnames or []
    missing = [column for column in _REQUIRED if column not in columns]
    if missing:
        expected = "; ".join(f"{column}: {_REMEDY[column]}" for column in missing)
        raise ValueError(f"{manifest_path} lacks the columns {', '.join(missing)}; add {expected}")
    for row in reader:
        # Cells too few are None, cells too many stand in a list under the key None.
        cells = {name: (cell or "").strip() for name, cell in row.items() if isinstance(name, str)}
        try:
            yield ManifestRow(_crop_from_row(manifest_path.parent, cells), _split_from_row(cells))
        except ValueError as error:
            raise ValueError(f"{manifest_path}, line {reader.line_num}: {error}") from error


def _split_from_row(row: dict[str, str]) -> str | None:
    if _SPLIT_COLUMN not in row:
        return None
    if row[_SPLIT_COLUMN] not in (TRAINING, QUERY, GALLERY):
        raise ValueError(f"{_SPLIT_COLUMN}: {row[_SPLIT_COLUMN]!r}; expected {_REMEDY[_SPLIT_COLUMN]}")
    return row[_SPLIT_COLUMN]


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
    return file_crop(
        path,
        person_id=row["person_id"],
        camera_id=row["camera_id"],
        timestamp_seconds=seconds,
        track_id=row.get("track_id") or row["file"],
    )
