"""A small question whose answer is known, put to the scorer that serves, tells a working device from a broken one."""

import torch
from torch.nn import functional

from model.gallery_scoring import Float32ReferenceScorer, GalleryScorer
from model.gallery_scoring.int8_error import bound_errors, measure_error_factors
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher, Int8Scorer
from model.query_adaptive_convolution import FoldedHead

_SEED = 20200823
_QUERIES, _DETECTIONS = 2, 8
# A maximum is a cosine of at most 1: bfloat16 is off by at most 2⁻⁸ of it, the map's rounding included twice that.
_TOLERANCE_OF_A_MAXIMUM = 2**-7


class KnownAnswerCheck:
    """Random maps from a fixed seed and their logits by the float32 reference on the CPU."""

    def __init__(
        self,
        matcher: FoldedMatcher,
        channels: int,
        scorer: GalleryScorer,
        dtype: torch.dtype,
        device: torch.device,
        *,
        int8_scorer: Int8Scorer | None = None,
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
        self._int8_scorer = int8_scorer
        self._rounded = quantise(self._maps)
        factors = measure_error_factors(self._maps, self._rounded, matcher)
        errors = bound_errors(factors.as_query[:_QUERIES], factors.as_gallery[_QUERIES:]).cpu()
        self._int8_tolerance = errors + self._tolerance

    def check(self, askers: list[None]) -> list[bool]:
        """Whether the scorer gives the known answer; one answer for all who ask."""
        with torch.inference_mode():
            found = self._scorer.score(self._maps[:_QUERIES], self._maps[_QUERIES:]).cpu()
            is_right = bool((found - self._expected).abs().max() <= self._tolerance) and self._is_int8_right()
        return [is_right] * len(askers)

    def _is_int8_right(self) -> bool:
        """Whether the int8 pass keeps the bound by which it is trusted; True where there is none."""
        if self._int8_scorer is None:
            return True
        queries, gallery = (
            Int8Maps(self._rounded.values[part], self._rounded.scales[part])
            for part in (slice(_QUERIES), slice(_QUERIES, None))
        )
        found = self._int8_scorer.score_int8(queries, gallery).cpu()
        return bool(((found - self._expected).abs() <= self._int8_tolerance).all())
