"""Which scorer a CUDA device gets: the Triton kernel where it is there and right, else blocks of plain torch."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from model.gallery_scoring.blocked import BlockedScorer
from model.gallery_scoring.float32_reference import Float32ReferenceScorer
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher, GalleryScorer, Int8Scorer
from model.gallery_scoring.precision import ScoringPrecision
from model.gallery_scoring.triton_tiling import choose_tiling

try:
    from model.gallery_scoring.triton_scorer import TritonScorer
except ImportError:  # torch brings Triton on Linux alone
    IS_TRITON_INSTALLED = False
else:
    IS_TRITON_INSTALLED = True

logger = logging.getLogger(__name__)

_SEED = 1904
_QUERIES, _DETECTIONS = 3, 70
# A maximum is a cosine of at most 1, of products that are exact in float32: only their sum is rounded.
_TOLERANCE_OF_A_MAXIMUM = 1e-4


class UnusableKernelError(Exception):
    """Why the Triton kernel cannot score some maps on some device."""


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
    floating = torch.float16 if dtype == torch.int8 else dtype
    try:
        scorer = make_triton_scorer(matcher, channels, dtype, device)
        _check(scorer, matcher, _draw(matcher, channels).to(device, floating))
        if dtype == torch.int8:
            _check_int8(scorer, matcher, quantise(_draw(matcher, channels).to(device)))
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


def _draw(matcher: FoldedMatcher, channels: int) -> Tensor:
    """Random maps of unit vectors, float32 on the CPU: the queries, and behind them the detections."""
    shape = (_QUERIES + _DETECTIONS, matcher.map_height * matcher.map_width, channels)
    return functional.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(_SEED)), dim=-1)


def _check(scorer: GalleryScorer, matcher: FoldedMatcher, maps: Tensor) -> None:
    """Compares the scores of some maps with the reference's.

    Raises:
        UnusableKernelError: they differ, or there are none: no C compiler for the launcher, too little shared memory, a
            driver that is too old.
    """
    _compare(matcher, lambda: scorer.score(maps[:_QUERIES], maps[_QUERIES:]), maps)


def _check_int8(scorer: "TritonScorer", matcher: FoldedMatcher, maps: Int8Maps) -> None:
    """The same for int8."""
    queries, gallery = (
        Int8Maps(maps.values[part], maps.scales[part]) for part in (slice(_QUERIES), slice(_QUERIES, None))
    )
    _compare(matcher, lambda: scorer.score_int8(queries, gallery), maps.dequantise())


def _compare(matcher: FoldedMatcher, score: Callable[[], Tensor], maps: Tensor) -> None:
    with torch.inference_mode():
        try:
            found = score()
        except Exception as error:  # whatever Triton, the compilers and the driver raise
            raise UnusableKernelError(f"the kernel does not run: {type(error).__name__}: {error}") from error
        expected = Float32ReferenceScorer(matcher).score(maps[:_QUERIES], maps[_QUERIES:])
    weight = float(matcher.head.query_weights.abs().sum() + matcher.head.gallery_weights.abs().sum())
    largest = float((found - expected).abs().max())
    # So written that NaN is wrong too.
    if not largest <= _TOLERANCE_OF_A_MAXIMUM * weight:
        raise UnusableKernelError(f"the kernel's logits are off by {largest}")
