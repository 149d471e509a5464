"""Which kernels of the native library a CPU scores with: the fastest that score some maps right."""

import logging
from collections.abc import Mapping

import torch

from model.gallery_scoring.blocked import BlockedScorer
from model.gallery_scoring.interface import FoldedMatcher, Int8Scorer
from model.gallery_scoring.kernel_check import UnusableKernelError, check_kernel
from model.gallery_scoring.native_library import NativeKernel, NativeLibrary
from model.gallery_scoring.native_scorer import NativeScorer
from model.gallery_scoring.precision import ScoringPrecision

logger = logging.getLogger(__name__)

# Two blocks of the library and half a block.
_DETECTIONS = 10


def choose_native_scorer(
    matcher: FoldedMatcher, channels: int, precision: ScoringPrecision, library: NativeLibrary
) -> Int8Scorer:
    """The native scorer without those kernels that score wrongly; the log names them. Plain torch where none is left.

    A kernel may never have run on such a processor before: those of AMX were tested with emulated tiles.

    Args:
        matcher: its head lies on the CPU.
        channels: d.
        precision: maps in its storage format are scored; where that is int8, float16 ones beside them.
        library: as it was loaded.
    """
    dtypes = (torch.int8, torch.float16) if precision.storage == torch.int8 else (precision.storage,)
    patch_channels = channels * matcher.kernel_size**2
    while True:
        scorer = NativeScorer(matcher, library)
        try:
            kernels = {dtype: scorer.kernel_for(dtype, patch_channels) for dtype in dtypes}
        except ValueError as reason:
            logger.warning("scoring with plain torch, several times slower: %s", reason)
            return BlockedScorer(matcher, precision.compute)
        wrong = _find_wrong(scorer, matcher, channels, kernels)
        if wrong is None:
            return scorer
        library = library.without(wrong)


def _find_wrong(
    scorer: NativeScorer, matcher: FoldedMatcher, channels: int, kernels: Mapping[torch.dtype, NativeKernel]
) -> NativeKernel | None:
    """One of the kernels, each by the dtype of maps that it is for, that scores such maps wrongly."""
    for dtype, kernel in kernels.items():
        try:
            check_kernel(scorer, matcher, channels, dtype, _DETECTIONS)
        except UnusableKernelError as reason:
            logger.warning("native kernel %s is left out, with maps of %s: %s", kernel.name, dtype, reason)
            return kernel
    return None
