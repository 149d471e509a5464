"""Finds a dataset in the folder that a user gives: its own, or the one that it was unpacked in."""

from collections.abc import Sequence
from pathlib import Path

_MAX_ENTRIES_TOLD = 8


def find_dataset_folder(title: str, folder: Path, places: Sequence[str], expected: Sequence[str]) -> Path:
    """The one of some places in `folder` that has all expected entries.

    Args:
        title: what messages call the dataset.
        folder: as the user gave it.
        places: relative to `folder`; "." is the folder itself.
        expected: names of files and folders.

    Raises:
        OSError: `folder` is not there, or is no folder.
        ValueError: no place has all that is expected, or more than one; says what was expected and what was found.
    """
    if not folder.exists():
        raise FileNotFoundError(f"{folder} is not there: give the folder of {title}")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder: give the folder of {title}")
    candidates = [folder / place for place in places]
    complete = [place for place in candidates if all((place / name).exists() for name in expected)]
    if len(complete) == 1:
        return complete[0]
    if complete:
        raise ValueError(f"{folder} holds more than one: give one of {', '.join(map(str, complete))}")
    found = "; ".join(
        f"{place} holds {list_entries(place)}" for place in dict.fromkeys((folder, *candidates)) if place.is_dir()
    )
    raise ValueError(
        f"{folder} is not a folder of {title}: expected {', '.join(expected)} "
        f"in {' or '.join(map(str, candidates))}, but {found}"
    )


def list_entries(folder: Path) -> str:
    """What a folder holds, for a message."""
    names = sorted(path.name for path in folder.iterdir())
    told = ", ".join(names[:_MAX_ENTRIES_TOLD])
    more = f" and {len(names) - _MAX_ENTRIES_TOLD} more" if len(names) > _MAX_ENTRIES_TOLD else ""
    return f"{told}{more}" if names else "nothing"
