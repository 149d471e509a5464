"""A small question whose answer is known, put to the scorer that serves, tells a working device from a broken one."""

import torch
from torch.nn import functional

from model.gallery_scoring import Float32ReferenceScorer, GalleryScorer
from model.gallery_scoring.interface import FoldedMatcher
from model.query_adaptive_convolution import FoldedHead

_SEED = 20200823
_QUERIES, _DETECTIONS = 2, 8
# A maximum is a cosine of at most 1: bfloat16 is off by at most 2⁻⁸ of it, the map's rounding included twice that.
_TOLERANCE_OF_A_MAXIMUM = 2**-7


class KnownAnswerCheck:
    """Random maps from a fixed seed and their logits by the float32 reference on the CPU."""

    def __init__(
        self, matcher: FoldedMatcher, channels: int, scorer: GalleryScorer, dtype: torch.dtype, device: torch.device
    ) -> None:
        head = FoldedHead(matcher.head.query_weights.cpu(), matcher.head.gallery_weights.cpu(), matcher.head.bias)
        on_cpu = FoldedMatcher(matcher.map_height, matcher.map_width, matcher.kernel_size, head)
        generator = torch.Generator().manual_seed(_SEED)
        shape = (_QUERIES + _DETECTIONS, matcher.map_height * matcher.map_width, channels)
        maps = functional.normalize(torch.randn(shape, generator=generator), dim=-1)
        self._expected = Float32ReferenceScorer(on_cpu).score(maps[:_QUERIES], maps[_QUERIES:])
        weight = float(head.query_weights.abs().sum() + head.gallery_weights.abs().sum())
        self._tolerance = _TOLERANCE_OF_A_MAXIMUM * weight * matcher.kernel_size**2 + 1e-6
        self._maps = maps.to(device, dtype)
        self._scorer = scorer

    def check(self, askers: list[None]) -> list[bool]:
        """Whether the scorer gives the known answer; one answer for all who ask."""
        with torch.inference_mode():
            found = self._scorer.score(self._maps[:_QUERIES], self._maps[_QUERIES:]).cpu()
        is_right = bool((found - self._expected).abs().max() <= self._tolerance)
        return [is_right] * len(askers)
