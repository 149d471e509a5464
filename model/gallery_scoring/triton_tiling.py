"""How the Triton kernel is cut for a card: tiles, warps and stages, by the card and the size of a number.

No entry was timed: no card was at hand. They are what `tests/model/gallery_scoring/test_triton_compilation.py` shows to
compile without a spill, with as many programs on a multiprocessor as registers and shared memory allow.
`python benchmarks/gallery_scoring_on_gpu.py --tune` times them and their neighbours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

_KIBIBYTE = 1024
ROWS_OF_A_DETECTION = 16
# What the compiler takes for sums: 0.5 KiB with 4 warps; 8.5 KiB with 8, of which two share a row (Triton 3.8, sm_90).
_SCRATCH_BYTES_PER_WARP = 1152


@dataclass(frozen=True, slots=True)
class Tiling:
    """How the work of one program is cut.

    Attributes:
        part: locations of the query whose maxima are kept together; a power of two from 16.
        group: detections of which a product has sixteen locations each; a power of two, from 4 for the instructions of
            sm_90.
        warps: of 32 threads, in a program; a power of two.
        stages: tiles of the gallery that are under way or in use.
    """

    part: int
    group: int
    warps: int
    stages: int

    def parts(self, locations: int) -> int:
        """How many parts hold a query."""
        return -(-locations // self.part)

    def shared_memory_bytes(self, locations: int, channels: int, element_bytes: int) -> int:
        """What a program takes at most: the query, the tiles, and what the compiler adds for sums."""
        row_bytes = padded(channels) * element_bytes
        rows = self.parts(locations) * self.part + self.stages * self.group * ROWS_OF_A_DETECTION
        return rows * row_bytes + self.warps * _SCRATCH_BYTES_PER_WARP


def padded(channels: int) -> int:
    """Channels of a product: the next power of two, at least 32."""
    return max(32, next_power_of_two(channels))


def next_power_of_two(count: int) -> int:
    """The smallest power of two that is not below a positive count."""
    return 1 << (count - 1).bit_length()


# By compute capability and bytes of a number; all are estimates. (8, 0): A100; (8, 6): A10, RTX 3090; (8, 9): L4, L40S,
# RTX 4090; (9, 0): H100, H200; (12, 0): RTX 5090, whose instructions are those of (8, 9). Not (7, 5): the kernel needs
# instructions that came later. Not (10, 0), B200: its products come by way of another memory, and registers spill.
_TILINGS: Mapping[tuple[int, int], Mapping[int, Tiling]] = {
    (8, 0): {2: Tiling(64, 2, 4, 3), 1: Tiling(64, 2, 4, 4)},
    (8, 6): {2: Tiling(64, 2, 4, 2), 1: Tiling(64, 2, 4, 3)},
    (8, 9): {2: Tiling(64, 2, 4, 2), 1: Tiling(64, 2, 4, 3)},
    (9, 0): {2: Tiling(64, 4, 4, 3), 1: Tiling(64, 4, 4, 4)},
    (12, 0): {2: Tiling(64, 2, 4, 2), 1: Tiling(64, 2, 4, 3)},
}
# The most that one program can have (CUDA C++ Programming Guide, "Technical Specifications per Compute Capability").
_SHARED_MEMORY_BYTES: Mapping[tuple[int, int], int] = {
    (8, 0): 163 * _KIBIBYTE,
    (8, 6): 99 * _KIBIBYTE,
    (8, 9): 99 * _KIBIBYTE,
    (9, 0): 227 * _KIBIBYTE,
    (12, 0): 99 * _KIBIBYTE,
}
# Products and maxima of more locations than these do not fit into the registers of so many warps.
_MOST_LOCATIONS_OF_FOUR_WARPS = 192
_MOST_LOCATIONS = 2 * _MOST_LOCATIONS_OF_FOUR_WARPS
_SMALLEST_PART = 16


def choose_tiling(capability: tuple[int, int], locations: int, channels: int, element_bytes: int) -> Tiling | None:
    """The tiling for maps [hw, d] on a card; None where the kernel does not take them or knows no such card.

    Args:
        capability: major and minor, as `torch.cuda.get_device_capability` says.
        locations: hw.
        channels: d.
        element_bytes: 2 for float16 and bfloat16, 1 for int8.
    """
    tiling = _TILINGS.get(capability, {}).get(element_bytes)
    if tiling is None or locations > _MOST_LOCATIONS:
        return None
    if locations > _MOST_LOCATIONS_OF_FOUR_WARPS:
        tiling = replace(tiling, part=2 * tiling.part, warps=2 * tiling.warps)
    else:
        tiling = replace(tiling, part=min(tiling.part, max(_SMALLEST_PART, next_power_of_two(locations))))
    fits = tiling.shared_memory_bytes(locations, channels, element_bytes) <= _SHARED_MEMORY_BYTES[capability]
    return tiling if fits else None
