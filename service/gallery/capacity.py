"""How many detections a device holds."""

import os
from pathlib import Path

import torch

from service.gallery.container_memory import container_memory_bytes

_DEFAULT_CAPACITY = 100_000
_PAGES_TAKEN = Path("/proc/self/statm")

# What else needs memory on a GPU: the model with its activations, one block of similarities, the scores of a batch.
_GPU_RESERVE_BYTES = 2 * 2**30


class CapacityError(ValueError):
    """A capacity was asked for that the device's memory does not hold."""


def choose_capacity(wanted: int | None, detection_bytes: int, device: torch.device) -> int:
    """The gallery's capacity in detections.

    Args:
        wanted: what the operator set; None for 100,000 or what half the memory holds, whichever is less.
        detection_bytes: of a detection in the device's memory.
        device: a CPU's memory is the machine's, or its container's where that is less, but for what this process
            takes already; a GPU's what is free on it now but for 2 GiB.

    Raises:
        CapacityError: `wanted` does not fit.
    """
    memory = _memory_bytes(device)
    if wanted is None:
        return max(1, min(_DEFAULT_CAPACITY, memory // 2 // detection_bytes))
    if wanted * detection_bytes > memory:
        raise CapacityError(
            f"gallery_capacity {wanted} needs {wanted * detection_bytes:,} bytes, {device} has {memory:,}: set "
            f"QACONV_GALLERY_CAPACITY to at most {memory // detection_bytes}"
        )
    return wanted


def has_room(wanted: int, detection_bytes: int, device: torch.device) -> bool:
    """Whether a gallery of some capacity takes at most half of the memory."""
    return wanted * detection_bytes <= _memory_bytes(device) // 2


def _memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return max(0, free - _GPU_RESERVE_BYTES)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = container_memory_bytes()
    return max(0, (memory if limit is None else min(memory, limit)) - _taken_bytes())


def _taken_bytes() -> int:
    """Of memory by this process: PyTorch and a model are hundreds of megabytes; 0 where the system does not say."""
    try:
        resident_pages = int(_PAGES_TAKEN.read_text().split()[1])
    except OSError:
        return 0
    return resident_pages * os.sysconf("SC_PAGE_SIZE")
