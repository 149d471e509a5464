"""Detections listed in a CSV file."""

import csv
from pathlib import Path

from service.api.fields import is_identifier
from service.api.moments import parse_moment
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
_FAULTS_SHOWN = 10


def read_manifest(path: Path) -> list[DetectionFile]:
    """Read a CSV with a header line; files are relative to it.

    Raises:
        CommandError: it cannot be read, its columns are not those expected, or rows cannot be ingested: names the
            first of these and what is wrong with each.
    """
    try:
        # Spreadsheet programs begin UTF-8 files with a byte order mark.
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = tuple(reader.fieldnames or ())
            _check_columns(path, columns)
            detections, faults = _read_rows(path, reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{path} cannot be read as a CSV in UTF-8: {error}", exit_status=USAGE) from error
    if faults:
        shown = [f"  {fault}" for fault in faults[:_FAULTS_SHOWN]]
        more = [f"  and {len(faults) - _FAULTS_SHOWN} more"] if len(faults) > _FAULTS_SHOWN else []
        first = f"{path} has rows that cannot be ingested, so nothing was sent:"
        raise CommandError(first, *shown, *more, exit_status=USAGE)
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


def _read_rows(path: Path, reader: "csv.DictReader[str]") -> tuple[list[DetectionFile], list[str]]:
    """The detections, and what is wrong with rows that are none."""
    detections: list[DetectionFile] = []
    faults: list[str] = []
    for row in reader:
        # Cells too few are None, cells too many stand under the key None.
        if None in row or None in row.values():
            columns = len(reader.fieldnames or ())
            faults.append(f"line {reader.line_num}: the header has {columns} columns and this row has another number")
            continue
        cells = {name: cell.strip() for name, cell in row.items()}
        wrong = _find_faults(path, cells)
        faults += [f"line {reader.line_num}: {fault}" for fault in wrong]
        if not wrong:
            detections.append(_to_detection(path, cells))
    return detections, faults


def _find_faults(path: Path, row: dict[str, str]) -> list[str]:
    time_column = _time_column(row)
    faults = [f"{column} is empty; every row needs one" for column in (*REQUIRED, time_column) if not row[column]]
    if row["file"] and not (path.parent / row["file"]).is_file():
        faults.append(f"the file {row['file']} is not there")
    faults += [
        f"{column} is {value!r}: an ID has 1 to 128 of the characters A-Z a-z 0-9 . _ : -"
        for column in ("camera_id", *OPTIONAL)
        if (value := row.get(column)) and not is_identifier(value)
    ]
    if row[time_column]:
        try:
            parse_moment(row[time_column])
        except ValueError as error:
            faults.append(f"{time_column}: {error}")
    return faults


def _to_detection(path: Path, row: dict[str, str]) -> DetectionFile:
    return DetectionFile(
        name=row["file"],
        path=path.parent / row["file"],
        detection_id=row.get("detection_id") or detection_id_of(row["file"]),
        camera_id=row["camera_id"],
        timestamp=row[_time_column(row)],
        track_id=row.get("track_id") or None,
        person_id=row.get("person_id") or None,
    )


def _time_column(row: dict[str, str]) -> str:
    return next(column for column in TIMES if column in row)
