"""Overwrites the buffers in which LMDB makes pages: they are used again without being cleared.

A page takes its unused bytes from the buffer in which it was made, so that what was erased from the file comes back
out of memory: of every process that writes.
"""

import lmdb

from service.storage.lmdb_pages import HEADER_BYTES, empty_bytes_of, newest_snapshot

# Buffers of single pages that LMDB may have kept: as many as the largest transaction touched. A group of 64 writes
# touches some hundred; each is a page of 4 KiB, so that this many are 8 MiB.
POOLED_PAGES = 2048

_LARGEST_NODE_BYTES = 2040  # of a page of 4 KiB, with its pointer; two of them fill a page


def overwrite_buffers(
    environment: lmdb.Environment, writer: "lmdb.Transaction[bytes]", descriptor: int, pages: int = POOLED_PAGES
) -> None:
    """Takes every buffer that LMDB keeps in this process and fills it to the last byte; all of it is given up.

    A value of one whole overflow page takes a buffer and fills it. Erased again, inside a nested transaction, it
    keeps its buffer until the end. The one other buffer, that of the root, is filled by nodes of the right size.

    Args:
        environment: whose buffers.
        writer: a write transaction that has written nothing, and is given up afterwards.
        descriptor: of the data file.
        pages: how many buffers there may be.

    Raises:
        lmdb.MapFullError: there are not as many page numbers left.
        InconsistentPages: the file is not understood.
    """
    snapshot = newest_snapshot(descriptor)
    whole_page = bytes(environment.stat()["psize"] - HEADER_BYTES)
    nested = environment.begin(write=True, parent=writer)
    try:
        for _ in range(pages):
            nested.put(b"~", whole_page)
            nested.delete(b"~")
        for number, size in enumerate(node_sizes(empty_bytes_of(descriptor, snapshot, snapshot.main_root))):
            nested.put(b"~%d" % number, bytes(size))
    finally:
        nested.abort()


def node_sizes(empty_bytes: int) -> list[int]:
    """The sizes of values that, under keys of two bytes, fill a page's empty bytes to the last."""
    overhead = 2 + 8 + 2  # pointer, header, key
    if empty_bytes < overhead:
        return []  # too few for a node, and for anything to be told from them
    count = -(-empty_bytes // _LARGEST_NODE_BYTES)
    share = empty_bytes // count // 2 * 2
    return [share - overhead] * (count - 1) + [empty_bytes - share * (count - 1) - overhead]
