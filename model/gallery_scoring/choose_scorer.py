"""Which of the scorers is the fastest for a device and its number formats."""

import torch

from model.config import ModelConfig
from model.gallery_scoring.blocked import BlockedScorer
from model.gallery_scoring.choose_cuda_scorer import choose_cuda_scorer
from model.gallery_scoring.choose_native_scorer import choose_native_scorer
from model.gallery_scoring.interface import FoldedMatcher, Int8Scorer
from model.gallery_scoring.native_library import installed_library
from model.gallery_scoring.precision import ScoringPrecision

# Kernels of the native library with instructions that multiply int8.
_MULTIPLY_INT8 = {"amx_int8", "avx512_vnni"}


def choose_scorer(matcher: FoldedMatcher, channels: int, precision: ScoringPrecision) -> Int8Scorer:
    """The native scorer on a CPU where it is installed, the Triton kernel on a GPU where it runs, else plain torch.

    Kernels that score some maps wrongly are left out; the log says so.

    Args:
        matcher: its head lies on the device that scores.
        channels: d of the maps.
        precision: from `choose_precision`, or int8, with float16 beside it. The native scorer multiplies bfloat16 and
            int8 maps in their own format where the processor can, and everything else in float32.
    """
    device = matcher.head.query_weights.device
    if device.type == "cuda":
        return choose_cuda_scorer(matcher, channels, precision, device)
    library = installed_library()
    if library is not None:
        return choose_native_scorer(matcher, channels, precision, library)
    return BlockedScorer(matcher, precision.compute)


def multiplies_int8(config: ModelConfig, device: torch.device) -> bool:
    """Whether int8 maps of a model are known to be scored several times as fast as float16 ones.

    That is where the processor has instructions for them. GPUs have, and the Triton kernel uses them; but how fast it
    is has never been measured, so there it has to be asked for.
    """
    library = installed_library() if device.type == "cpu" else None
    kernel = None if library is None else library.choose_kernel("int8", config.channels * config.kernel_size**2)
    return kernel is not None and kernel.name in _MULTIPLY_INT8
