"""How many detections a device holds."""

import os
from pathlib import Path

import torch

_DEFAULT_CAPACITY = 100_000

# What else needs memory on a GPU: the model with its activations, one block of similarities, the scores of a batch.
_GPU_RESERVE_BYTES = 2 * 2**30

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


class CapacityError(ValueError):
    """A capacity was asked for that the device's memory does not hold."""


def choose_capacity(wanted: int | None, detection_bytes: int, device: torch.device) -> int:
    """The gallery's capacity in detections.

    Args:
        wanted: what the operator set; None for 100,000 or what half the memory holds, whichever is less.
        detection_bytes: of a detection in the device's memory.
        device: a CPU's memory is the machine's, or its container's where that is less; a GPU's what is free on it
            now but for 2 GiB.

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
    limit = _CONTAINER_LIMIT.read_text().strip() if _CONTAINER_LIMIT.is_file() else "max"
    return memory if limit == "max" else min(memory, int(limit))
