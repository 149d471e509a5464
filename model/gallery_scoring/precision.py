"""Which number formats a device scores in."""

from dataclasses import dataclass
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class ScoringPrecision:
    """How feature maps lie in the device's memory, and in which format they are multiplied."""

    storage: torch.dtype
    compute: torch.dtype


def choose_precision(device_type: str, wanted: Precision | None = None) -> ScoringPrecision:
    """The formats for a device: float16, or what is wanted; a CPU multiplies float16 in float32.

    Half the memory of float32, and the very numbers that a record holds. A CPU with instructions for bfloat16 scores it
    at least twice as fast (native kernels on an AMD Zen 4, one thread, maps of 192 × 128: 42 to 44 µs a pair, float16
    84 to 89; AMX is faster still), but it is too coarse to be the default: on photographs, logits of a trained network
    were off by up to 1.1 % of their spread over the gallery, with float16 by 0.05 %. A CPU without instructions for a
    format multiplies in float32: its library would emulate them a thousand times slower.

    Args:
        device_type: "cpu" or "cuda".
        wanted: the storage format, None to choose.
    """
    storage = getattr(torch, wanted or "float16")
    if device_type == "cuda" or (storage == torch.bfloat16 and _cpu_multiplies_bfloat16()):
        return ScoringPrecision(storage, storage)
    return ScoringPrecision(storage, torch.float32)


def _cpu_multiplies_bfloat16() -> bool:
    # torch has no public question for this; these two are in every release from 2.7 on.
    has_avx512_bf16 = torch.cpu._is_avx512_bf16_supported()
    has_amx = torch.cpu._is_amx_tile_supported()
    return bool(has_avx512_bf16 or has_amx)
