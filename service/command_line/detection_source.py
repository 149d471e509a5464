"""The argument of `ingest`: a CSV, a folder that holds one, or a folder whose file names say all that is needed."""

from pathlib import Path

from service.command_line.command_error import USAGE, CommandError
from service.command_line.detection_file import DetectionFile
from service.command_line.detection_ids import require_distinct
from service.command_line.manifest_csv import EXPECTED, read_manifest
from service.command_line.market_names import EXAMPLE, parse_market_name

MANIFEST_NAME = "detections.csv"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def read_detections(source: Path) -> list[DetectionFile]:
    """All detections of a CSV or a folder, in its order (of a folder without a CSV: by file name).

    Raises:
        CommandError: there is nothing there, or not what was expected; the message says what was.
    """
    if source.is_dir():
        manifest = source / MANIFEST_NAME
        detections = read_manifest(manifest) if manifest.is_file() else _read_names(source)
    elif source.is_file():
        detections = read_manifest(source)
    else:
        raise CommandError(f"{source} is not there; give a folder of crops or a CSV", exit_status=USAGE)
    require_distinct(detections)
    return detections


def _read_names(folder: Path) -> list[DetectionFile]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    detections = [detection for path in paths if (detection := parse_market_name(path)) is not None]
    if paths and len(detections) == len(paths):
        return detections
    if not paths:
        found = f"no image files ({', '.join(IMAGE_SUFFIXES)})"
    else:
        known = {detection.name for detection in detections}
        other = next(path.name for path in paths if path.name not in known)
        found = f"{other}, which does not say its camera and time as {EXAMPLE} does"
    raise CommandError(
        f"{folder} holds no {MANIFEST_NAME}, and {found}; write a {MANIFEST_NAME} there ({EXPECTED}) "
        "or name the files as Market-1501 does",
        exit_status=USAGE,
    )
