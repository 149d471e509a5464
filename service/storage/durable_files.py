"""Files that are on the disk when they are said to be, private to the service's user, and their checksums."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

_CHUNK_BYTES = 2**20


def make_private_directory(path: Path) -> None:
    """A directory that only this user can enter. Raises FileExistsError."""
    path.mkdir(mode=0o700)


def write_file(path: Path, content: bytes) -> None:
    """Write a new file and wait for the disk."""
    with _new_file(path) as descriptor:
        _write_all(descriptor, content)


def copy_file(source: Path, target: Path, num_bytes: int) -> str:
    """Copy the first bytes of a file to a new one and wait for the disk; the SHA-256 of what was copied."""
    digest = sha256()
    left = num_bytes
    with source.open("rb") as file, _new_file(target) as descriptor:
        while chunk := file.read(min(left, _CHUNK_BYTES)):
            _write_all(descriptor, chunk)
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def whole_lines_bytes(path: Path) -> int:
    """The length of a file up to the end of its last whole line."""
    end = path.stat().st_size
    with path.open("rb") as file:
        while end > 0:
            start = max(0, end - _CHUNK_BYTES)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sync_path(path: Path) -> None:
    """Wait until a file's bytes, or a directory's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _new_file(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
