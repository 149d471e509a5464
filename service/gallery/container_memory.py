"""How much memory the container of this process may take: control groups of versions 1 and 2, and those around them.

A limit of a group holds for all groups inside it, so the smallest on the way from this process's own group up to the
root is the one that counts. Of version 2 the files are `memory.max`, of version 1 `memory.limit_in_bytes`.
"""

from collections.abc import Iterator
from pathlib import Path

_FILES = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def container_memory_bytes(files: Path = _FILES, own_groups: Path = _OWN_GROUPS) -> int | None:
    """The smallest limit; None where there is none.

    Args:
        files: where control groups are mounted.
        own_groups: in which groups this process is: lines `0::/path` for version 2, `5:cpu,memory:/path` for 1.
    """
    limits = [limit for path in _limit_files(files, own_groups) if (limit := _read_limit(path)) is not None]
    return min(limits, default=None)


def _limit_files(files: Path, own_groups: Path) -> Iterator[Path]:
    try:
        lines = own_groups.read_text().splitlines()
    except OSError:
        lines = []
    # A container may see its own group as the root, under a path of the machine's that is not there.
    yield files / "memory.max"
    yield files / "memory" / "memory.limit_in_bytes"
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers == "":
            root, name = files, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = files / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = Path(path.lstrip("/"))
        yield from (root / each / name for each in (group, *group.parents))


def _read_limit(path: Path) -> int | None:
    """None where there is no such file, or no limit in it: `max`, and in version 1 a number near 2⁶³."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < 2**62 else None
