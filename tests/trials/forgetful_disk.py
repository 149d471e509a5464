"""A disk that forgets what was not synchronised: what a directory may look like after a loss of power.

A program runs with `forgetful_disk.c` loaded, which writes a journal of all that it does to the files of a directory.
Replayed up to any place, the journal says what a disk may hold when the power fails there:

- what a finished fsync, fdatasync or O_DSYNC write covers is there;
- of every other write each page of 4 KiB, or each sector of 512 bytes, may be on the disk or not, each by itself,
  and in the state that any of the writes to it left;
- the size of a file may be that after any write since its last synchronisation;
- a name is sure only once its directory was synchronised: new files may be missing, removed ones there again.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ACKNOWLEDGEMENTS = "acknowledgements"
PAGE_BYTES, SECTOR_BYTES = 4096, 512

_SOURCE = Path(__file__).with_name("forgetful_disk.c")
_ROOT = Path(__file__).parents[2]
_RECORD = struct.Struct("<BBHIQQ")
_OPEN, _MKDIR, _WRITE, _TRUNCATE, _SYNC, _RENAME, _REMOVE, _DURABLE, _NOT_UNDERSTOOD = range(1, 10)
_CREATES, _TRUNCATES = 1, 2


def find_compiler() -> str | None:
    """A C compiler, which the layer below the program needs."""
    return shutil.which("cc") or shutil.which("gcc")


def compile_layer(directory: Path) -> Path:
    """The library to preload, made from `forgetful_disk.c`."""
    compiler = find_compiler()
    assert compiler is not None
    library = directory / "forgetful_disk.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", library, _SOURCE]
    subprocess.run([*command, "-ldl", "-pthread"], check=True)
    return library


def run_python(library: Path, directory: Path, journal: Path, arguments: Sequence[str]) -> None:
    """Runs Python on some arguments, with what it does in an existing, empty directory written to a journal."""
    variables = {
        "LD_PRELOAD": os.fspath(library),
        "FORGETFUL_DIRECTORY": os.fspath(directory.resolve()),
        "FORGETFUL_JOURNAL": os.fspath(journal),
    }
    subprocess.run([sys.executable, *arguments], cwd=_ROOT, env={**os.environ, **variables}, check=True)


@dataclass(slots=True)
class _Change:
    """Bytes written at an offset; or, without bytes, everything from the offset on cut off."""

    offset: int
    content: bytes | None
    size_after: int
    is_durable: bool = False


@dataclass(slots=True, eq=False)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[_Change] = field(default_factory=list)
    size: int = 0

    def write(self, offset: int, content: bytes) -> None:
        self.size = max(self.size, offset + len(content))
        self.pending.append(_Change(offset, content, self.size))

    def truncate(self, size: int) -> None:
        self.size = size
        self.pending.append(_Change(size, None, size))

    def synchronise(self) -> None:
        for change in self.pending:
            _apply(change, self.durable)
        self.pending.clear()

    def after_power_loss(self, chance: random.Random, habit: "_Habit") -> bytes:
        """The file as the disk may hold it."""
        sizes = [len(self.durable), *(change.size_after for change in self.pending)]
        first_sure = max((number for number, change in enumerate(self.pending, 1) if change.is_durable), default=0)
        size = sizes[habit.choose(chance, first_sure, len(self.pending))]
        image = bytearray(self.durable)
        image.extend(bytes(max(sizes) - len(image)))
        for unit, changes in self._changes_by_unit(habit.unit_bytes, max(sizes)).items():
            first_sure = max((number for number, change in enumerate(changes, 1) if change.is_durable), default=0)
            kept = changes[: habit.choose(chance, first_sure, len(changes))]
            begin = unit * habit.unit_bytes
            for change in kept:
                _apply_within(change, image, begin, begin + habit.unit_bytes)
        return bytes(image[:size])

    def _changes_by_unit(self, unit_bytes: int, size: int) -> dict[int, list[_Change]]:
        touched: dict[int, list[_Change]] = {}
        for change in self.pending:
            end = size if change.content is None else change.offset + len(change.content)
            for unit in range(change.offset // unit_bytes, -(-end // unit_bytes)):
                touched.setdefault(unit, []).append(change)
        return touched


@dataclass(slots=True, eq=False)
class _Directory:
    durable: "dict[str, _File | _Directory]" = field(default_factory=dict)
    entries: "dict[str, _File | _Directory]" = field(default_factory=dict)
    # Names that are to be removed, and what is to be added under which name: together, as a rename does it.
    pending: "list[tuple[str | None, str | None, _File | _Directory | None]]" = field(default_factory=list)

    def change(self, removed: str | None, added: str | None, node: "_File | _Directory | None") -> None:
        _change_entries(self.entries, removed, added, node)
        self.pending.append((removed, added, node))

    def synchronise(self) -> None:
        self.durable = dict(self.entries)
        self.pending.clear()

    def after_power_loss(self, chance: random.Random, habit: "_Habit") -> "dict[str, _File | _Directory]":
        entries = dict(self.durable)
        for change in self.pending:
            if chance.random() < habit.kept_share:
                _change_entries(entries, *change)
        return entries


@dataclass(frozen=True, slots=True)
class _Habit:
    """How a disk loses things: in units of how many bytes, and what share of the unsynchronised it keeps."""

    unit_bytes: int
    kept_share: float

    def choose(self, chance: random.Random, first: int, last: int) -> int:
        """How many of the changes, of which the first few are sure, are kept."""
        if chance.random() < self.kept_share:
            return last
        return chance.randint(first, last) if chance.random() < 0.5 else first


class ForgetfulDisk:
    """A journal, replayed from its beginning to wherever a power loss is wanted."""

    def __init__(self, journal: Path) -> None:
        self._root = _Directory()
        self._opened: dict[int, _File | _Directory] = {}
        self._records = list(_read(journal))
        self._done = 0

    @property
    def length(self) -> int:
        """Records in the journal: places where the power may fail."""
        return len(self._records)

    def replay(self, until: int) -> None:
        """Goes on to a place of the journal."""
        assert until >= self._done
        for record in self._records[self._done : until]:
            self._follow(*record)
        self._done = until

    def acknowledged(self) -> list[str]:
        """Lines that the program wrote to its file of acknowledgements so far, which no power loss takes from us."""
        node = self._root.entries.get(ACKNOWLEDGEMENTS)
        if not isinstance(node, _File):
            return []
        node.synchronise()
        return node.durable.decode().splitlines()

    def lose_power(self, chance: random.Random, target: Path) -> None:
        """Writes into a new directory what the disk may hold if the power fails at this place."""
        habit = _Habit(chance.choice([PAGE_BYTES, SECTOR_BYTES]), chance.choice([0.0, 0.3, 0.5, 0.9, 1.0]))
        _write(self._root, target, chance, habit)

    def _follow(self, kind: int, flags: int, path: str, opened: int, offset: int, content: bytes, length: int) -> None:
        match kind:
            case 1:  # _OPEN
                self._open(flags, path, opened)
            case 2:  # _MKDIR
                self._change(path, None, _Directory())
            case 3:  # _WRITE
                self._file(opened).write(offset, content)
            case 4:  # _TRUNCATE
                self._file(opened).truncate(length)
            case 5:  # _SYNC
                self._opened[opened].synchronise()
            case 6:  # _RENAME
                self._rename(path, content.decode())
            case 7:  # _REMOVE
                directory, name = self._find(path)
                directory.change(name, None, None)
            case 8:  # _DURABLE
                self._file(opened).pending[-1].is_durable = True
            case _:
                raise AssertionError(f"the program did what the forgetful disk does not understand: {path}")

    def _open(self, flags: int, path: str, opened: int) -> None:
        if path == ".":
            self._opened[opened] = self._root
            return
        directory, name = self._find(path)
        if name not in directory.entries:
            assert flags & _CREATES, f"{path} was there before the journal began"
            directory.change(None, name, _File())
        node = directory.entries[name]
        self._opened[opened] = node
        if flags & _TRUNCATES and isinstance(node, _File) and node.size:
            node.truncate(0)

    def _change(self, path: str, removed: str | None, node: "_File | _Directory") -> None:
        directory, name = self._find(path)
        directory.change(removed, name, node)

    def _rename(self, old: str, new: str) -> None:
        source, old_name = self._find(old)
        target, new_name = self._find(new)
        node = source.entries[old_name]
        if source is target:
            source.change(old_name, new_name, node)
        else:
            target.change(None, new_name, node)
            source.change(old_name, None, None)

    def _find(self, path: str) -> tuple[_Directory, str]:
        *parents, name = path.split("/")
        directory = self._root
        for parent in parents:
            node = directory.entries[parent]
            assert isinstance(node, _Directory)
            directory = node
        return directory, name

    def _file(self, opened: int) -> _File:
        node = self._opened[opened]
        assert isinstance(node, _File)
        return node


def _read(journal: Path) -> Iterator[tuple[int, int, str, int, int, bytes, int]]:
    content = journal.read_bytes()
    at = 0
    while at < len(content):
        kind, flags, path_bytes, opened, offset, length = _RECORD.unpack_from(content, at)
        at += _RECORD.size
        path = content[at : at + path_bytes].decode()
        at += path_bytes
        payload_bytes = length if kind in (_WRITE, _RENAME) else 0
        yield kind, flags, path, opened, offset, content[at : at + payload_bytes], length
        at += payload_bytes


def _write(directory: _Directory, target: Path, chance: random.Random, habit: _Habit) -> None:
    target.mkdir(mode=0o700)
    for name, node in directory.after_power_loss(chance, habit).items():
        if isinstance(node, _Directory):
            _write(node, target / name, chance, habit)
        elif name != ACKNOWLEDGEMENTS:
            (target / name).write_bytes(node.after_power_loss(chance, habit))


def _change_entries(
    entries: "dict[str, _File | _Directory]", removed: str | None, added: str | None, node: "_File | _Directory | None"
) -> None:
    if removed is not None:
        entries.pop(removed, None)
    if added is not None and node is not None:
        entries[added] = node


def _apply(change: _Change, content: bytearray) -> None:
    if change.content is None:
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
        return
    end = change.offset + len(change.content)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.content


def _apply_within(change: _Change, content: bytearray, begin: int, end: int) -> None:
    """The part of a change that lies in some bytes of a file."""
    first = max(begin, change.offset)
    if change.content is None:
        last = min(end, len(content))
        content[first:last] = bytes(max(0, last - first))
    else:
        last = min(end, change.offset + len(change.content))
        content[first:last] = change.content[first - change.offset : last - change.offset]
