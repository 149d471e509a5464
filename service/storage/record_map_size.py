"""How large LMDB's memory map is for a capacity. Every process that writes to the records has to use the same."""

from service.storage.page_buffers import POOLED_PAGES

# Kept back of the memory map, and of the disk, so that a full store can still be emptied.
RESERVE_BYTES = 4 * 2**20

_LARGEST_PAGE_BYTES = 65536

# A scrub takes page numbers for the buffers that it overwrites, and gives them back.
_SCRUB_BYTES = POOLED_PAGES * 4096


def map_size_bytes(capacity_bytes: int) -> int:
    """The capacity in whole pages of any system, the reserve, and what a scrub takes for a moment."""
    return -(-capacity_bytes // _LARGEST_PAGE_BYTES) * _LARGEST_PAGE_BYTES + RESERVE_BYTES + _SCRUB_BYTES
