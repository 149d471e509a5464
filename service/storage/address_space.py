"""How large a memory map the address space of this process has room for.

LMDB maps its whole file before there is anything in it. Some systems give a process 512 GiB or less (`ulimit -v`, small
page tables, a container's sandbox), and a map of the default terabyte cannot be had there.
"""

import mmap

_PAGE_BYTES = 65536


class AddressSpaceError(OSError):
    """The address space has no room for a file that is there."""


def fit_map(wanted_bytes: int, needed_bytes: int, path: object) -> int:
    """The largest map, up to a wanted size, that leaves as much of the address space free as it takes.

    Args:
        wanted_bytes: the size where there is room.
        needed_bytes: below it the map is of no use: what the file has, and more where it is to grow.
        path: the file, for the message.

    Returns:
        `wanted_bytes`, or less, in whole pages of any system.

    Raises:
        AddressSpaceError: not even the needed size can be had.
    """
    size_bytes = wanted_bytes
    while size_bytes > needed_bytes and not _has_room(2 * size_bytes):
        size_bytes = max(needed_bytes, size_bytes // 2)
    size_bytes = -(-size_bytes // _PAGE_BYTES) * _PAGE_BYTES if size_bytes < wanted_bytes else wanted_bytes
    if not _has_room(size_bytes):
        raise AddressSpaceError(
            f"{path} needs {size_bytes:,} bytes of address space, and this process has not as much: raise its limit "
            "(ulimit -v, RLIMIT_AS)"
        )
    return size_bytes


def _has_room(size_bytes: int) -> bool:
    """Whether so much can be mapped: address space alone, no memory is taken."""
    try:
        mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0).close()
    except (OSError, OverflowError, ValueError):
        return False
    return True
