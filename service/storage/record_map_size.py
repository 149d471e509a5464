"""How large LMDB's memory map is for a capacity. Every process that writes to the records has to use the same."""

from pathlib import Path

from service.storage.address_space import fit_map
from service.storage.page_buffers import POOLED_PAGES

# Kept back of the memory map, and of the disk, so that a full store can still be emptied.
RESERVE_BYTES = 4 * 2**20

_LARGEST_PAGE_BYTES = 65536

# A scrub takes page numbers for the buffers that it overwrites, and gives them back.
_SCRUB_BYTES = POOLED_PAGES * 4096


def map_size_bytes(capacity_bytes: int) -> int:
    """The capacity in whole pages of any system, the reserve, and what a scrub takes for a moment."""
    return -(-capacity_bytes // _LARGEST_PAGE_BYTES) * _LARGEST_PAGE_BYTES + RESERVE_BYTES + _SCRUB_BYTES


def fit_capacity(capacity_bytes: int, records_dir: Path) -> int:
    """The capacity that the address space of this process has room for: the one asked for, or less.

    Args:
        capacity_bytes: what the records may take.
        records_dir: holds `data.mdb`, which may be there already.

    Raises:
        AddressSpaceError: there is no room for what the records take already, or for any.
    """
    data_file = records_dir / "data.mdb"
    taken_bytes = data_file.stat().st_size if data_file.is_file() else 0
    wanted_bytes = map_size_bytes(capacity_bytes)
    room_bytes = fit_map(wanted_bytes, min(wanted_bytes, taken_bytes + map_size_bytes(0)), data_file)
    return capacity_bytes if room_bytes == wanted_bytes else room_bytes - map_size_bytes(0)
