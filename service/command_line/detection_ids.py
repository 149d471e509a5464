"""Detection IDs from file names: the same file has the same ID, so that ingesting it again replaces it."""

import re
from collections.abc import Iterable
from pathlib import PurePath

from service.command_line.command_error import USAGE, CommandError
from service.command_line.detection_file import DetectionFile

MAX_LENGTH = 128
_FOREIGN = re.compile(r"[^A-Za-z0-9._:-]")


def detection_id_of(name: str) -> str:
    """The ID of a file: its relative path without the suffix, `_` for each character that an ID cannot hold.

    Raises:
        CommandError: the ID would be longer than 128 characters.
    """
    detection_id = _FOREIGN.sub("_", PurePath(name).with_suffix("").as_posix())
    if len(detection_id) > MAX_LENGTH:
        raise CommandError(
            f"{name}: a detection ID has at most {MAX_LENGTH} characters and this name makes {len(detection_id)}; "
            "rename the file, or list it in a CSV with a detection_id column",
            exit_status=USAGE,
        )
    return detection_id


def require_distinct(detections: Iterable[DetectionFile]) -> None:
    """Refuse two files with one ID: the second would replace the first.

    Raises:
        CommandError: names the first two such files.
    """
    names: dict[str, str] = {}
    for detection in detections:
        if detection.detection_id in names:
            raise CommandError(
                f"{names[detection.detection_id]} and {detection.name} have the same detection ID, "
                f"{detection.detection_id}; rename one, or list them in a CSV with a detection_id column",
                exit_status=USAGE,
            )
        names[detection.detection_id] = detection.name
