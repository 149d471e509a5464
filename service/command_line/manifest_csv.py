"""Detections listed in a CSV file."""

import csv
from collections.abc import Iterator
from pathlib import Path

from service.command_line.command_error import USAGE, CommandError
from service.command_line.detection_file import DetectionFile
from service.command_line.detection_ids import detection_id_of

REQUIRED = ("file", "camera_id")
# One of them: the second says in its name that it holds Unix seconds.
TIMES = ("timestamp", "timestamp_seconds")
OPTIONAL = ("track_id", "person_id", "detection_id")
EXPECTED = (
    "the columns are file, camera_id and timestamp (RFC 3339 or Unix seconds; or timestamp_seconds), "
    "and if wanted track_id, person_id and detection_id"
)


def read_manifest(path: Path) -> list[DetectionFile]:
    """Read a CSV with a header line; files are relative to it.

    Raises:
        CommandError: it cannot be read, its columns are not those expected, or a row is incomplete.
    """
    try:
        # Spreadsheet programs begin UTF-8 files with a byte order mark.
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = tuple(reader.fieldnames or ())
            _check_columns(path, columns)
            detections = list(_read_rows(path, reader))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{path} cannot be read as a CSV in UTF-8: {error}", exit_status=USAGE) from error
    if not detections:
        raise CommandError(f"{path} lists no detections: it has a header and no rows", exit_status=USAGE)
    return detections


def _check_columns(path: Path, columns: tuple[str, ...]) -> None:
    times = [column for column in columns if column in TIMES]
    wrong = [f"lacks {column}" for column in REQUIRED if column not in columns]
    if not times:
        wrong.append("lacks timestamp")
    if len(times) > 1 or len(set(columns)) < len(columns):
        wrong.append("says something twice")
    known = {*REQUIRED, *TIMES, *OPTIONAL}
    wrong += [f"has {column!r}, which is not known" for column in columns if column not in known]
    if wrong:
        raise CommandError(f"{path} {', '.join(wrong)}; {EXPECTED}", exit_status=USAGE)


def _read_rows(path: Path, reader: "csv.DictReader[str]") -> Iterator[DetectionFile]:
    for row in reader:
        # Cells too few are None, cells too many stand under the key None.
        if None in row or None in row.values():
            raise CommandError(
                f"{path}, line {reader.line_num}: the header has {len(reader.fieldnames or ())} columns and this row "
                "has another number of cells",
                exit_status=USAGE,
            )
        yield _read_row(path, reader.line_num, {name: cell.strip() for name, cell in row.items()})


def _read_row(path: Path, line: int, row: dict[str, str]) -> DetectionFile:
    time_column = next(column for column in TIMES if column in row)
    for column in (*REQUIRED, time_column):
        if not row[column]:
            raise CommandError(f"{path}, line {line}: {column} is empty; every row needs one", exit_status=USAGE)
    return DetectionFile(
        name=row["file"],
        path=path.parent / row["file"],
        detection_id=row.get("detection_id") or detection_id_of(row["file"]),
        camera_id=row["camera_id"],
        timestamp=row[time_column],
        track_id=row.get("track_id") or None,
        person_id=row.get("person_id") or None,
    )
