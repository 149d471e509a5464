"""Which scorer a CUDA device gets: the Triton kernel where it is there and right, else blocks of plain torch."""

import logging

import torch

from model.gallery_scoring.blocked import BlockedScorer
from model.gallery_scoring.interface import FoldedMatcher, Int8Scorer
from model.gallery_scoring.kernel_check import UnusableKernelError, check_kernel
from model.gallery_scoring.precision import ScoringPrecision
from model.gallery_scoring.triton_tiling import choose_tiling

try:
    from model.gallery_scoring.triton_scorer import TritonScorer
except ImportError:  # torch brings Triton on Linux alone
    IS_TRITON_INSTALLED = False
else:
    IS_TRITON_INSTALLED = True

logger = logging.getLogger(__name__)

_DETECTIONS = 70


def choose_cuda_scorer(
    matcher: FoldedMatcher, channels: int, precision: ScoringPrecision, device: torch.device
) -> Int8Scorer:
    """The Triton scorer if it takes these maps and scores some of them right; the log says which scorer, and why.

    Compiles the kernel: some seconds, once for a machine.

    Args:
        matcher: its head lies on the device.
        channels: d.
        precision: maps in its storage format are scored, and int8 ones; where that is int8, float16 ones beside them.
            Plain torch multiplies in its compute format. Triton sums products of either format in float32.
        device: a CUDA device.
    """
    dtype = precision.storage
    checked = (torch.float16, torch.int8) if dtype == torch.int8 else (dtype,)
    try:
        scorer = make_triton_scorer(matcher, channels, dtype, device)
        for each in checked:
            check_kernel(scorer, matcher, channels, each, _DETECTIONS)
    except UnusableKernelError as reason:
        logger.warning("scoring on %s with plain torch, several times slower: %s", device, reason)
        return BlockedScorer(matcher, precision.compute)
    logger.info("scoring on %s with the Triton kernel", device)
    return scorer


def make_triton_scorer(
    matcher: FoldedMatcher, channels: int, dtype: torch.dtype, device: torch.device
) -> "TritonScorer":
    """The Triton scorer for maps [hw, d] of a dtype, and of int8, on a CUDA device.

    Raises:
        UnusableKernelError: Triton is not installed, or the kernel does not take such maps on this card.
    """
    if not IS_TRITON_INSTALLED:
        raise UnusableKernelError("Triton is not installed: pip install triton")
    if matcher.kernel_size != 1 or dtype not in {torch.float16, torch.bfloat16, torch.int8}:
        raise UnusableKernelError(
            f"it takes kernel_size 1 and float16, bfloat16 or int8 maps, not {matcher.kernel_size} and {dtype}"
        )
    locations = matcher.map_height * matcher.map_width
    capability = torch.cuda.get_device_capability(device)
    tiling, int8_tiling = (choose_tiling(capability, locations, channels, element_bytes) for element_bytes in (2, 1))
    if tiling is None or int8_tiling is None:
        raise UnusableKernelError(f"no tiling for maps [{locations}, {channels}] on compute capability {capability}")
    return TritonScorer(matcher, tiling, torch.cuda.get_device_properties(device).multi_processor_count, int8_tiling)
