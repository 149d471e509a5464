"""Making directories and the first file in them so that a loss of power leaves them whole or leaves nothing.

A synchronised file is only as sure as its name: that is an entry of its directory, which has to be synchronised too.
"""

import os
import shutil
import stat
import tempfile
from pathlib import Path

import lmdb

from service.storage.durable_files import sync_path


def make_directory(path: Path) -> None:
    """Makes a directory, private to this user, and those above it, and synchronises the entries that are new."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in missing:
        sync_path(each.parent)


def keeps_private(path: Path) -> bool:
    """Whether files in a directory can be private to this user: exFAT and FAT have one mode for all."""
    with tempfile.NamedTemporaryFile(dir=path) as file:
        return not stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077


def make_environment(path: Path) -> None:
    """Makes an empty LMDB environment where there is none.

    LMDB does not synchronise a new file before the first commit, and cannot open one whose first pages were lost: what
    is not whole yet has another name.
    """
    if path.exists():
        return
    unfinished = path.with_name(f"{path.name}.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    with lmdb.open(os.fspath(unfinished), mode=0o600) as environment:
        environment.sync(True)
    sync_path(unfinished)
    unfinished.rename(path)
    sync_path(path.parent)
