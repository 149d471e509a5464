"""The header of the pages that hold a large value, which LMDB believes without a check of its own.

When a value is erased or replaced, LMDB frees as many pages as the header in front of it says, from the page number
that it says. One changed byte there, and the pages of other records are handed to the next writes: one damaged record
becomes many. So the header is compared with the value's length and place before LMDB is asked to free it, and put right
in the file where it differs.

LMDB 0.9: 16 bytes of page number, padding, flags and number of pages, then the value, whose length stands elsewhere.
"""

import ctypes
import os
import struct
from pathlib import Path

import numpy as np

_HEADER = struct.Struct("<QHHI")
_IS_OVERFLOW = 0x04
_NODE_HEADER_BYTES = 8
_LEAST_KEYS_ON_A_PAGE = 2
_MAPPINGS = Path("/proc/self/maps")


class OverflowPages:
    """The large values of an open environment, as read transactions with buffers give them: in the memory map."""

    def __init__(self, data_file: Path, page_bytes: int) -> None:
        self._data_file = data_file.resolve()
        self._page_bytes = page_bytes
        self._map_address = _map_address(self._data_file)

    def is_sound(self, key: bytes, value: memoryview) -> bool:
        """Whether the header in front of a value is the one that belongs there."""
        if not self._is_large(key, value):
            return True
        address = _address(value)
        found = _HEADER.unpack(_header_at(address))
        return found == self._right_header(address, len(value), padding=found[1])

    def mend(self, key: bytes, value: memoryview) -> bool:
        """Put the header of a committed value right in the file; whether it was wrong.

        Only by the one who may write now, so that the pages are not written by anybody else.

        Raises:
            OSError: the file cannot be written to.
        """
        if self.is_sound(key, value):
            return False
        address = _address(value)
        padding = _HEADER.unpack(_header_at(address))[1]
        right = self._right_header(address, len(value), padding)
        descriptor = os.open(self._data_file, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, _HEADER.pack(*right), right[0] * self._page_bytes)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return True

    def _is_large(self, key: bytes, value: memoryview) -> bool:
        """Whether a value has pages of its own: LMDB keeps it in its tree while two of its size fit on a page."""
        largest_in_tree = ((self._page_bytes - _HEADER.size) // _LEAST_KEYS_ON_A_PAGE & -2) - 2
        return self._map_address is not None and _NODE_HEADER_BYTES + len(key) + len(value) > largest_in_tree

    def _right_header(self, address: int, num_bytes: int, padding: int) -> tuple[int, int, int, int]:
        """Page number, padding (in which LMDB leaves what was in its memory), flags and number of pages."""
        assert self._map_address is not None
        page_number = (address - _HEADER.size - self._map_address) // self._page_bytes
        return page_number, padding, _IS_OVERFLOW, -(-(_HEADER.size + num_bytes) // self._page_bytes)


def _header_at(address: int) -> bytes:
    return ctypes.string_at(address - _HEADER.size, _HEADER.size)


def _address(value: memoryview) -> int:
    address: int = np.frombuffer(value, np.uint8).__array_interface__["data"][0]
    return address


def _map_address(data_file: Path) -> int | None:
    """Where a file is mapped in this process; None on systems that do not say: there, headers are believed."""
    if not _MAPPINGS.exists():
        return None
    for line in _MAPPINGS.read_text(errors="surrogateescape").splitlines():
        addresses, _, offset, _, _, *path = line.split(maxsplit=5)
        if path == [os.fspath(data_file)] and int(offset, 16) == 0:
            return int(addresses.partition("-")[0], 16)
    return None
