"""Images whose file names say what they show, as most benchmarks keep them."""

import re
from dataclasses import dataclass
from pathlib import Path

from training.datasets.dataset_folder import list_entries

# Other files are passed over: the published archives hold some, such as Thumbs.db.
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class NamePattern:
    """How a dataset names its images: an expression for the whole name, and an example for messages."""

    expression: re.Pattern[str]
    example: str


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image file and the fields that its name has."""

    path: Path
    fields: re.Match[str]


def parse_image_name(path: Path, names: NamePattern) -> NamedImage:
    """Read the name of one image.

    Raises:
        ValueError: it does not follow the pattern.
    """
    fields = names.expression.fullmatch(path.name)
    if fields is None:
        raise ValueError(f"the name of {path} is not understood; expected one such as {names.example}")
    return NamedImage(path, fields)


def list_named_images(folder: Path, names: NamePattern) -> list[NamedImage]:
    """All images directly in a folder, by name.

    Raises:
        OSError: the folder cannot be read.
        ValueError: it holds no image, or one whose name does not follow the pattern; says how many, and which is first.
    """
    paths = sorted(path for path in folder.iterdir() if _is_image(path))
    if not paths:
        raise ValueError(
            f"{folder} holds no images; expected names such as {names.example}, found {list_entries(folder)}"
        )
    strange = [path.name for path in paths if names.expression.fullmatch(path.name) is None]
    if strange:
        raise ValueError(
            f"{len(strange)} of {len(paths)} images in {folder} have names that are not understood, the first "
            f"{strange[0]}; expected names such as {names.example}"
        )
    return [parse_image_name(path, names) for path in paths]


def _is_image(path: Path) -> bool:
    # Archivers of macOS leave a ._NAME beside every file.
    return path.suffix.lower() in _IMAGE_SUFFIXES and not path.name.startswith(".")
