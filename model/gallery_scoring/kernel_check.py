"""Whether a kernel scores some maps right on this machine. It is asked before it is trusted: wrong scores look like any
others.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from model.gallery_scoring.float32_reference import Float32ReferenceScorer
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher, Int8Scorer

_SEED = 1904
_QUERIES = 3
# Of the head's weights together. A maximum is a sum of products that are exact in float32: only the sum is rounded. The
# native kernels were off by 8.5e-8 at most, patches of 4608 channels included; a GPU cuts off where they round.
_TOLERANCE = 1e-4


class UnusableKernelError(Exception):
    """Why a kernel cannot score some maps on some device."""


def check_kernel(
    scorer: Int8Scorer, matcher: FoldedMatcher, channels: int, dtype: torch.dtype, detections: int
) -> None:
    """Compares a scorer's logits of random unit vectors with the reference's.

    Args:
        scorer: that is checked, for the matcher.
        matcher: its head lies on the device that scores.
        channels: d.
        dtype: of the maps; int8 too.
        detections: that 3 queries are compared with.

    Raises:
        UnusableKernelError: they differ, or there are none: no C compiler for Triton's launcher, too little shared
            memory, a driver that is too old.
    """
    shape = (_QUERIES + detections, matcher.map_height * matcher.map_width, channels)
    drawn = functional.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(_SEED)), dim=-1)
    device = matcher.head.query_weights.device
    if dtype == torch.int8:
        rounded = quantise(drawn.to(device))
        queries, gallery = (
            Int8Maps(rounded.values[part], rounded.scales[part]) for part in (slice(_QUERIES), slice(_QUERIES, None))
        )
        _compare(matcher, lambda rows: scorer.score_int8(queries, gallery, rows), rounded.dequantise())
    else:
        maps = drawn.to(device, dtype)
        _compare(matcher, lambda rows: scorer.score(maps[:_QUERIES], maps[_QUERIES:], rows), maps)


def _compare(matcher: FoldedMatcher, score: Callable[[Tensor | None], Tensor], maps: Tensor) -> None:
    """Of all maps, and of some where they lie."""
    some = torch.arange(1, len(maps) - _QUERIES, 2, device=maps.device)
    with torch.inference_mode():
        try:
            found = torch.cat((score(None), score(some)), dim=1)
        except Exception as error:  # whatever Triton, the compilers and the driver raise
            raise UnusableKernelError(f"the kernel does not run: {type(error).__name__}: {error}") from error
        expected = Float32ReferenceScorer(matcher).score(maps[:_QUERIES], maps[_QUERIES:])
        expected = torch.cat((expected, expected[:, some]), dim=1)
    weight = float(matcher.head.query_weights.abs().sum() + matcher.head.gallery_weights.abs().sum())
    largest = float((found - expected).abs().max())
    # So written that NaN is wrong too.
    if not largest <= _TOLERANCE * weight:
        raise UnusableKernelError(f"the kernel's logits are off by {largest}")
