"""The ways to score a gallery that are compared: the published form, torch's, and the native kernels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.taking_turns import choose_fastest
from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, Float32ReferenceScorer, NativeScorer, installed_library
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.native_library import NativeLibrary
from model.gallery_scoring.precision import choose_precision
from model.query_adaptive_convolution import MatchingHead, QueryAdaptiveConvolution

PUBLISHED, PUBLISHED_DEFAULT = "published form, best block", "published form, block of 128"
TORCH_INT16 = "torch, bfloat16, int16 maxima"
RESCORED = "best 20 rescored"

_DEFAULT_BLOCK = 128  # gallery batch of the authors' evaluation
_BLOCKS = (1, 2, 4, 8, 16, 32, 64, 128)
_MOST_PAIRS_OF_A_BLOCK = 256  # larger ones are never the best: their similarities leave all caches
_PAIRS_TO_CHOOSE_WITH, _LEAST_TO_CHOOSE_WITH = 2048, 32
_COMPILED_BLOCK = 16
_MOST_CHECKED = 256
_RESCORED = 20
# Of a maximum, which is a cosine. Exact products summed in float32; similarities rounded to bfloat16; int8 beside the
# float16 maps, whose scores some of its scores are replaced by.
_FLOAT32_ERROR, _BFLOAT16_ERROR, _INT8_ERROR = 1e-5, 2**-8, 2**-5

Storage = Literal["float32", "float16", "bfloat16", "int8", "int8 and float16"]


@dataclass(frozen=True, slots=True)
class BothMaps:
    """int8 to search with, and float16 to score the best again."""

    rounded: Int8Maps
    exact: Tensor

    def __len__(self) -> int:
        return len(self.exact)


Maps = Tensor | Int8Maps | BothMaps


@dataclass(frozen=True, slots=True)
class Setup:
    """What scores: the geometry, the head as it is trained, and both folded into what scorers take."""

    config: ModelConfig
    head: MatchingHead
    matcher: FoldedMatcher

    @classmethod
    def of(cls, config: ModelConfig, matcher: QueryAdaptiveConvolution) -> "Setup":
        """Of a matcher in inference mode, on the CPU."""
        return cls(config, matcher.head, FoldedMatcher.of(matcher, config, "cpu"))


@dataclass(frozen=True, slots=True)
class Way:
    """One way to score.

    Attributes:
        storage: the form of the maps that it takes.
        tolerance: by how much a score may differ from the float32 reference's for the same stored maps, as a share of
            what it would move if every maximum moved by 1.
        score: logits [q, g] of queries and a gallery in that form.
    """

    name: str
    storage: Storage
    tolerance: float
    score: Callable[[Maps, Maps], Tensor]


def random_setup(config: ModelConfig) -> Setup:
    """A head whose weights differ, as training leaves them: equal ones would hide a location taken for another."""
    matcher = QueryAdaptiveConvolution(config).eval()
    matcher.head.fc.weight.data = torch.rand_like(matcher.head.fc.weight) / config.locations
    return Setup.of(config, matcher)


def draw_maps(config: ModelConfig, count: int) -> Tensor:
    """Random unit vectors, float32 [count, hw, d]: the time does not depend on what they are."""
    return functional.normalize(torch.randn(count, config.locations, config.channels), dim=-1)


def store(maps: Tensor, storage: Storage) -> Maps:
    """Maps [n, hw, d] in the form that a way takes."""
    if storage == "int8":
        return quantise(maps)
    if storage == "int8 and float16":
        return BothMaps(quantise(maps), maps.half())
    return maps.to(getattr(torch, storage))


def widen(maps: Maps) -> Tensor:
    """The maps that stored ones stand for, float32."""
    if isinstance(maps, BothMaps):
        return maps.exact.float()
    return maps.dequantise() if isinstance(maps, Int8Maps) else maps.float()


def list_ways(setup: Setup, compiles: bool) -> Sequence[Way]:
    """All but the published form's best block, which depends on the queries."""
    blocked = {dtype: BlockedScorer(setup.matcher, dtype).score for dtype in (torch.float32, torch.bfloat16)}
    library = installed_library()
    ways = [
        Way(PUBLISHED_DEFAULT, "float32", _FLOAT32_ERROR, partial(_score_as_published, setup, 0, _DEFAULT_BLOCK)),
        Way("torch, float32", "float32", _FLOAT32_ERROR, _of_tensors(blocked[torch.float32])),
    ]
    if multiplies_bfloat16():
        plain = partial(_score_blocks, setup, _score_block)
        ways.append(Way("torch, bfloat16, amax", "bfloat16", _BFLOAT16_ERROR, plain))
        ways.append(Way(TORCH_INT16, "bfloat16", _BFLOAT16_ERROR, _of_tensors(blocked[torch.bfloat16])))
        if compiles:
            compiled = partial(_score_blocks, setup, torch.compile(_score_block, dynamic=False))
            ways.append(Way("torch.compile, bfloat16", "bfloat16", _BFLOAT16_ERROR, compiled))
    return ways if library is None else [*ways, *_list_native_ways(library, setup.matcher)]


def multiplies_bfloat16() -> bool:
    """Whether torch does here, and does not emulate it a thousand times slower."""
    return choose_precision("cpu", "bfloat16").compute == torch.bfloat16


def published_at_best(setup: Setup, queries: Tensor, gallery: Tensor) -> tuple[Way, str]:
    """The published form in its fastest block for these queries, and which that is: queries × detections."""
    some = to_choose_with(queries, gallery)
    works = {
        (together, block): partial(_score_as_published, setup, together, block, queries, some)
        for together in sorted({1, len(queries)})
        for block in _BLOCKS
        if together * block <= _MOST_PAIRS_OF_A_BLOCK and block <= len(some)
    }
    together, block = choose_fastest(works)
    best = partial(_score_as_published, setup, together, block)
    return Way(PUBLISHED, "float32", _FLOAT32_ERROR, best), f"{together} × {block}"


def to_choose_with(queries: Tensor, gallery: Tensor) -> Tensor:
    """As much of a gallery as it takes to tell which block is the best."""
    return gallery[: max(_LEAST_TO_CHOOSE_WITH, _PAIRS_TO_CHOOSE_WITH // len(queries))]


def check(setup: Setup, way: Way, queries: Maps, gallery: Maps) -> float:
    """The largest error of a way's scores beside the float32 reference's, in the unit of its tolerance.

    Of a large gallery the whole is scored, and its last detections are compared.

    Raises:
        SystemExit: it is above the tolerance.
    """
    compared = _last(gallery, _MOST_CHECKED)
    expected = Float32ReferenceScorer(setup.matcher).score(widen(queries), widen(compared))
    head = setup.matcher.head
    unit = float(head.query_weights.abs().sum() + head.gallery_weights.abs().sum())
    error = float((way.score(queries, gallery)[:, -len(compared) :] - expected).abs().max()) / unit
    if not error <= way.tolerance:
        raise SystemExit(
            f"{way.name} is wrong: off by {error:.1e} of a maximum, rounding is {way.tolerance:.1e} at most"
        )
    return error


def _last(maps: Maps, count: int) -> Maps:
    if isinstance(maps, BothMaps):
        return BothMaps(Int8Maps(maps.rounded.values[-count:], maps.rounded.scales[-count:]), maps.exact[-count:])
    return Int8Maps(maps.values[-count:], maps.scales[-count:]) if isinstance(maps, Int8Maps) else maps[-count:]


def _score_as_published(setup: Setup, together: int, block_size: int, queries: Maps, gallery: Maps) -> Tensor:
    """As the authors' evaluation: all similarities of a block, two `max`, an unfolded head; 0 takes all queries."""
    assert isinstance(queries, Tensor)
    assert isinstance(gallery, Tensor)

    def score_block(some: Tensor, block: Tensor) -> Tensor:
        similarities = torch.einsum("qsc,grc->qgrs", some, block)
        logits: Tensor = setup.head(similarities.max(dim=2)[0], similarities.max(dim=3)[0])
        return logits

    rows = [
        torch.cat([score_block(some, block) for block in gallery.split(block_size)], dim=1)
        for some in queries.split(together or len(queries))
    ]
    return torch.cat(rows)


def _score_blocks(setup: Setup, score_block: Callable[..., Tensor], queries: Maps, gallery: Maps) -> Tensor:
    assert isinstance(queries, Tensor)
    assert isinstance(gallery, Tensor)
    head = setup.matcher.head
    logits = torch.empty(len(queries), len(gallery))
    for start in range(0, len(gallery), _COMPILED_BLOCK):
        block = gallery[start : start + _COMPILED_BLOCK]
        for row, query in enumerate(queries):
            sums = score_block(query, block, head.query_weights, head.gallery_weights)
            logits[row, start : start + len(block)] = sums + head.bias
    return logits


def _score_block(query: Tensor, block: Tensor, query_weights: Tensor, gallery_weights: Tensor) -> Tensor:
    similarities = block @ query.T
    query_part = (similarities.amax(dim=1).float() * query_weights).sum(dim=1)
    gallery_part = (similarities.amax(dim=2).float() * gallery_weights).sum(dim=1)
    return query_part + gallery_part


def _list_native_ways(library: NativeLibrary, matcher: FoldedMatcher) -> Sequence[Way]:
    """Every kernel that runs here, with the format that is its own, and float16 as the service stores it."""
    ways = []
    for kernel in library.kernels:
        scorer = NativeScorer(matcher, library, kernel.name)
        name = f"native {kernel.name}"
        if kernel.name.endswith(("int8", "vnni")):
            exact = NativeScorer(matcher, library)
            ways.append(Way(f"{name}, int8", "int8", _FLOAT32_ERROR, _of_int8(scorer)))
            rescore = partial(_score_and_rescore, scorer, exact)
            ways.append(Way(f"{name}, int8, {RESCORED}", "int8 and float16", _INT8_ERROR, rescore))
        elif kernel.name.endswith("bf16"):
            ways.append(Way(f"{name}, bfloat16", "bfloat16", _FLOAT32_ERROR, _of_tensors(scorer.score)))
        else:
            ways.append(Way(f"{name}, float32", "float32", _FLOAT32_ERROR, _of_tensors(scorer.score)))
            ways.append(Way(f"{name}, float16", "float16", _FLOAT32_ERROR, _of_tensors(scorer.score)))
    return ways


def _score_and_rescore(scorer: NativeScorer, exact: NativeScorer, queries: Maps, gallery: Maps) -> Tensor:
    """An int8 pass, then the exact scores of each query's best candidates in their place."""
    assert isinstance(queries, BothMaps)
    assert isinstance(gallery, BothMaps)
    logits = scorer.score_int8(queries.rounded, gallery.rounded)
    best = logits.topk(min(_RESCORED, len(gallery)), dim=1).indices
    for row, candidates in enumerate(best):
        logits[row, candidates] = exact.score(queries.exact[row : row + 1], gallery.exact[candidates])[0]
    return logits


def _of_tensors(score: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Maps, Maps], Tensor]:
    def score_maps(queries: Maps, gallery: Maps) -> Tensor:
        assert isinstance(queries, Tensor)
        assert isinstance(gallery, Tensor)
        return score(queries, gallery)

    return score_maps


def _of_int8(scorer: NativeScorer) -> Callable[[Maps, Maps], Tensor]:
    def score_maps(queries: Maps, gallery: Maps) -> Tensor:
        assert isinstance(queries, Int8Maps)
        assert isinstance(gallery, Int8Maps)
        return scorer.score_int8(queries, gallery)

    return score_maps
