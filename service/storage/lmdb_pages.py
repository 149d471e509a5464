"""Reads the pages of an LMDB data file: which are in use, which are free since when, and where unused bytes lie.

LMDB says what a key's value is, and nothing about the bytes that it leaves behind; whoever erases has to know those.
The numbers are those of LMDB 0.9 (`mdb.c`), data format 1, on a 64-bit little-endian machine. What is not as they say
is an error: nobody may write into a file that is not understood to the last page.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

# struct MDB_meta: magic, version, address, map size; two MDB_db, of the free pages and of the named databases; then the
# last page and the transaction. The page size stands in the first MDB_db's md_pad.
_META = struct.Struct("<IIQQ 48s 48s QQ")
_DATABASE = struct.Struct("<IHHQQQQQ")  # struct MDB_db: pad, flags, depth, three page counts, entries, root
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_NO_PAGE = 2**64 - 1  # P_INVALID: the root of an empty database
_META_PAGES = 2
_DUPLICATES_SORTED = 0x04  # MDB_DUPSORT

# struct MDB_page: page number, pad, flags, then either lower and upper, or the number of overflow pages.
_HEADER = struct.Struct("<QHHHH")
_OVERFLOW_HEADER = struct.Struct("<QHHI")
HEADER_BYTES = 16
_BRANCH, _LEAF, _OVERFLOW, _META_FLAG = 0x01, 0x02, 0x04, 0x08
# struct MDB_node: two halves of the data's size (of the child's page number, in a branch), flags, size of the key.
_NODE_BYTES = 8
_IN_OVERFLOW, _NAMED_DATABASE, _DUPLICATES = 0x01, 0x02, 0x04


class InconsistentPages(RuntimeError):  # noqa: N818 - the file is what is inconsistent
    """The file is not what LMDB 0.9 writes, or pages are lost or used twice; nothing was written."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a committed transaction made of the file; `txnid` is its number."""

    txnid: int
    page_bytes: int
    last_page: int
    free_root: int
    main_root: int


@dataclass(slots=True)
class PageSurvey:
    """Every page that a snapshot uses.

    Attributes:
        uses: how often each page, from 0 to the last, is in use.
        unused: offset and length of the bytes inside pages in use that hold nothing.
    """

    uses: npt.NDArray[np.uint8]
    unused: list[tuple[int, int]] = field(default_factory=list)


def newest_snapshot(descriptor: int) -> Snapshot:
    """The last committed snapshot. Whoever asks holds the write lock, so that no commit is under way."""
    page_bytes = _read_meta(descriptor, 0).page_bytes
    return max((_read_meta(descriptor, 0), _read_meta(descriptor, page_bytes)), key=lambda meta: meta.txnid)


def free_pages(descriptor: int, snapshot: Snapshot) -> Iterator[tuple[int, npt.NDArray[np.uint64]]]:
    """The free pages of a snapshot, by the transaction that freed them, oldest first."""
    tree = _Tree(descriptor, snapshot)
    for key, value in tree.entries(snapshot.free_root):
        pages = np.frombuffer(value, "<u8")
        _require(len(key) == 8 and len(pages) > 0 and pages[0] < len(pages), "a record of free pages is cut short")
        freed = pages[1 : int(pages[0]) + 1]
        _require(bool(np.all(freed >= _META_PAGES)), "a meta page is listed as free")
        _require(bool(np.all(freed <= snapshot.last_page)), "a page beyond the last one is listed as free")
        yield int.from_bytes(key, "little"), freed


def survey_pages(descriptor: int, snapshot: Snapshot) -> PageSurvey:
    """Walks all pages of a snapshot, which a reader pins, and proves that each is either in use or free, and only once.

    Raises:
        InconsistentPages: they do not add up.
    """
    survey = PageSurvey(np.zeros(snapshot.last_page + 1, np.uint8))
    survey.uses[:_META_PAGES] = 1
    tree = _Tree(descriptor, snapshot, survey)
    for root in (snapshot.free_root, snapshot.main_root):
        tree.walk(root)
    owners = survey.uses.copy()
    for _, freed in free_pages(descriptor, snapshot):
        np.add.at(owners, freed, 1)
    lost, shared = int(np.count_nonzero(owners == 0)), int(np.count_nonzero(owners > 1))
    _require(lost == 0 and shared == 0, f"{lost} pages are neither in use nor free, {shared} are so more than once")
    return survey


def empty_bytes_of(descriptor: int, snapshot: Snapshot, page: int) -> int:
    """How many bytes a branch or leaf page has left for nodes."""
    _, lower, upper = _Tree(descriptor, snapshot).read_page(page)[1:]
    return upper - lower


class _Tree:
    """The B+ trees of one snapshot, page by page; what is met goes into the survey, if there is one."""

    def __init__(self, descriptor: int, snapshot: Snapshot, survey: PageSurvey | None = None) -> None:
        self._descriptor = descriptor
        self._snapshot = snapshot
        self._survey = survey

    def walk(self, root: int) -> None:
        """Meets every page of a tree, of the values outside it and of the databases named in it."""
        for data, pointers, fields in self._leaves(root):
            for at in np.flatnonzero(fields[:, 2] & (_IN_OVERFLOW | _NAMED_DATABASE)).tolist():
                low, high, flags, key_bytes = fields[at].tolist()
                value_at = int(pointers[at]) + _NODE_BYTES + key_bytes
                if flags & _NAMED_DATABASE:
                    self.walk(_root_of(data[value_at : value_at + _DATABASE.size]))
                else:
                    self._meet_overflow(int.from_bytes(data[value_at : value_at + 8], "little"), low | high << 16)

    def entries(self, root: int) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of a tree, in its order."""
        for data, pointers, fields in self._leaves(root):
            for pointer, (low, high, flags, key_bytes) in zip(pointers.tolist(), fields.tolist(), strict=True):
                size, value_at = low | high << 16, pointer + _NODE_BYTES + key_bytes
                value = data[value_at : value_at + size]
                if flags & _IN_OVERFLOW:
                    page = int.from_bytes(data[value_at : value_at + 8], "little")
                    value = os.pread(self._descriptor, size, page * self._snapshot.page_bytes + HEADER_BYTES)
                _require(len(value) == size, "a value is cut short")
                yield data[value_at - key_bytes : value_at], value

    def read_page(self, page: int) -> tuple[bytes, int, int, int]:
        """A branch or leaf page with its flags, lower and upper."""
        page_bytes = self._snapshot.page_bytes
        _require(_META_PAGES <= page <= self._snapshot.last_page, f"page {page} is outside the file")
        data = os.pread(self._descriptor, page_bytes, page * page_bytes)
        _require(len(data) == page_bytes, f"page {page} is cut short")
        number, _, flags, lower, upper = _HEADER.unpack_from(data)
        _require(number == page, f"page {page} says that it is page {number}")
        _require(flags in (_BRANCH, _LEAF), f"page {page} has flags {flags:#x}, not those of a branch or leaf")
        _require(HEADER_BYTES <= lower <= upper <= page_bytes, f"page {page} has its bounds at {lower} and {upper}")
        return data, flags, lower, upper

    def _leaves(self, root: int) -> Iterator[tuple[bytes, npt.NDArray[np.uint16], npt.NDArray[np.uint16]]]:
        """Leaf pages in order: their bytes, where their nodes are, and each node's header [n, 4]."""
        waiting = [] if root == _NO_PAGE else [root]
        while waiting:
            page = waiting.pop()
            data, flags, lower, upper = self.read_page(page)
            self._meet(page, 1, page * self._snapshot.page_bytes + lower, upper - lower)
            pointers = np.frombuffer(data, "<u2", (lower - HEADER_BYTES) // 2, HEADER_BYTES)
            fields = _node_headers(data, pointers, page)
            if flags == _LEAF:
                yield data, pointers, fields
            else:
                low, high, highest = fields[:, :3].astype(np.uint64).T
                waiting += (low | high << np.uint64(16) | highest << np.uint64(32)).tolist()[::-1]

    def _meet_overflow(self, page: int, size: int) -> None:
        page_bytes = self._snapshot.page_bytes
        header = os.pread(self._descriptor, HEADER_BYTES, page * page_bytes)
        _require(len(header) == HEADER_BYTES, f"page {page} is cut short")
        number, _, flags, count = _OVERFLOW_HEADER.unpack(header)
        _require((number, flags) == (page, _OVERFLOW), f"page {page} is not an overflow page of that number")
        _require(page + count - 1 <= self._snapshot.last_page, f"overflow page {page} reaches beyond the last page")
        # More pages than the value needs are there where a shorter value replaced it in one and the same transaction.
        _require(HEADER_BYTES + size <= count * page_bytes, f"page {page} is too short for a value of {size} bytes")
        end = page * page_bytes + HEADER_BYTES + size
        self._meet(page, count, end, (page + count) * page_bytes - end)

    def _meet(self, page: int, count: int, unused_at: int, unused_bytes: int) -> None:
        if self._survey is None:
            return
        uses = self._survey.uses[page : page + count]
        _require(not uses.any(), f"page {page} is in use twice")
        uses += 1
        if unused_bytes:
            self._survey.unused.append((unused_at, unused_bytes))


def _read_meta(descriptor: int, offset: int) -> Snapshot:
    data = os.pread(descriptor, HEADER_BYTES + _META.size, offset)
    _require(len(data) == HEADER_BYTES + _META.size, "the file has no meta page")
    flags = _HEADER.unpack_from(data)[2]
    magic, version, _, _, free, main, last_page, txnid = _META.unpack_from(data, HEADER_BYTES)
    _require((flags, magic, version) == (_META_FLAG, _MAGIC, _VERSION), "the file is not LMDB's, of data format 1")
    page_bytes = _DATABASE.unpack(free)[0]
    _require(page_bytes in (2**bits for bits in range(9, 17)), f"the file's pages have {page_bytes} bytes")
    return Snapshot(txnid, page_bytes, last_page, _root_of(free), _root_of(main))


def _root_of(database: bytes) -> int:
    _require(len(database) == _DATABASE.size, "the description of a database is cut short")
    flags, root = _DATABASE.unpack(database)[1], _DATABASE.unpack(database)[-1]
    _require(not flags & _DUPLICATES_SORTED, "a database has sorted duplicates, which are not kept here")
    return int(root)


def _node_headers(data: bytes, pointers: npt.NDArray[np.uint16], page: int) -> npt.NDArray[np.uint16]:
    starts = pointers.astype(np.intp)
    _require(bool(np.all(starts + _NODE_BYTES <= len(data))), f"a node of page {page} is outside it")
    headers: npt.NDArray[np.uint16] = np.frombuffer(data, np.uint8)[starts[:, None] + np.arange(_NODE_BYTES)].view(
        "<u2"
    )
    return headers


def _require(is_so: bool, message: str) -> None:
    if not is_so:
        raise InconsistentPages(message)
