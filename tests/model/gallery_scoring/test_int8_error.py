"""The bound on what int8 does to a logit: never broken, equal to hand-worked numbers, and of the size that was told."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, NativeScorer, installed_library
from model.gallery_scoring.int8_error import NUM_FACTORS, bound_errors, measure_error_factors
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher, Int8Scorer, position_major
from model.gallery_scoring.patches import extract_position_major_patches
from model.query_adaptive_convolution import FoldedHead, QueryAdaptiveConvolution
from reference.crowd_maps import draw_crowd, draw_independent
from reference.trained_head import train_head


def build(kernel_size: int, height: int = 6, width: int = 4, channels: int = 32) -> FoldedMatcher:
    config = ModelConfig(8 * height, 8 * width, final_layer="layer2", channels=channels, kernel_size=kernel_size)
    matcher = QueryAdaptiveConvolution(config).eval()
    train_head(matcher.head, seed=3)
    return FoldedMatcher.of(matcher, config, "cpu")


def part(maps: Int8Maps, rows: slice) -> Int8Maps:
    return Int8Maps(maps.values[rows], maps.scales[rows])


def check(matcher: FoldedMatcher, maps: Tensor, queries: int) -> tuple[Tensor, Tensor]:
    """No logit is farther from the exact one than the bound says; returns differences and bounds."""
    rounded = quantise(maps)
    factors = measure_error_factors(maps, rounded, matcher)
    assert factors.as_query.shape == factors.as_gallery.shape == (len(maps), NUM_FACTORS)
    bounds = bound_errors(factors.as_query[:queries], factors.as_gallery[queries:])
    exact = BlockedScorer(matcher, torch.float32).score(maps[:queries].float(), maps[queries:].float())
    in_float64 = score_in_float64(matcher, maps[:queries], maps[queries:])
    differences = torch.zeros_like(bounds)
    for scorer in int8_scorers(matcher):
        found = scorer.score_int8(part(rounded, slice(queries)), part(rounded, slice(queries, None)))
        differences = torch.maximum(differences, (found - exact).abs())
        assert ((found - in_float64).abs() <= bounds).all()
    assert (differences <= bounds).all()
    return differences, bounds


def score_in_float64(matcher: FoldedMatcher, queries: Tensor, gallery: Tensor) -> Tensor:
    query_patches, gallery_patches = (
        extract_position_major_patches(maps.double(), matcher) for maps in (queries, gallery)
    )
    similarities = torch.einsum("qjd,gid->qgji", query_patches, gallery_patches)
    of_queries = similarities.amax(dim=3) @ matcher.head.query_weights.double()
    return of_queries + similarities.amax(dim=2) @ matcher.head.gallery_weights.double() + matcher.head.bias


def int8_scorers(matcher: FoldedMatcher) -> list[Int8Scorer]:
    library = installed_library()
    scorers: list[Int8Scorer] = [BlockedScorer(matcher, torch.float32)]
    if library is not None and library.kernels:
        scorers.append(NativeScorer(matcher, library))
    return scorers


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_no_logit_of_a_crowd_breaks_the_bound(kernel_size: int, dtype: torch.dtype) -> None:
    maps = position_major(draw_crowd(60, 12, 6, 4, 32, seed=5)).to(dtype)
    differences, bounds = check(build(kernel_size), maps, queries=9)
    assert differences.max() < bounds.mean()
    spread = BlockedScorer(build(kernel_size), torch.float32).score(maps[:9].float(), maps[9:].float()).std()
    # So large that it certifies something: see the figures in `int8_error`.
    assert bounds.mean() < 2 * spread


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(1e-3, 1e3), st.floats(0, 8))
def test_no_logit_of_any_maps_breaks_the_bound(seed: int, length: float, unevenness: float) -> None:
    """Of other lengths than one, and with a few channels that outweigh all others."""
    generator = torch.Generator().manual_seed(seed)
    maps = position_major(draw_independent(12, 6, 4, 32, seed))
    maps = maps * length * torch.exp(unevenness * torch.randn(32, generator=generator))
    check(build(1), maps, queries=4)


def test_a_bound_worked_out_by_hand() -> None:
    """One location, one channel that int8 rounds by half a step beside one that is held."""
    head = FoldedHead(torch.tensor([2.0]), torch.tensor([-3.0]), 0.25)
    matcher = FoldedMatcher(1, 1, 1, head)
    # Steps of 1/127: the second channel is half a step, and is rounded to none (to even).
    half_a_step = 0.5 / 127
    maps = torch.tensor([[[1.0, half_a_step]], [[1.0, -half_a_step]]])
    rounded = quantise(maps)
    assert rounded.values.flatten().tolist() == [127, 0, 127, 0]
    factors = measure_error_factors(maps, rounded, matcher)
    bound = bound_errors(factors.as_query[:1], factors.as_gallery[1:]).item()
    length = (1 + half_a_step**2) ** 0.5
    # 2 + 3 of weights, each with ‖q − q̂‖‖g‖ + ‖q̂‖‖g − ĝ‖.
    assert bound == pytest.approx(5 * half_a_step * (length + 1), rel=1e-2)


def test_maps_that_are_exact_in_int8_differ_by_rounding_alone() -> None:
    values = torch.randint(-127, 128, (5, 24, 32), generator=torch.Generator().manual_seed(1), dtype=torch.int8)
    values[:, 0, 0] = 127
    maps = values.float() * 2**-9
    factors = measure_error_factors(maps, quantise(maps), build(1))
    assert (factors.as_query[:, 0] == 0).all()
    assert bound_errors(factors.as_query, factors.as_gallery).max() < 1e-2
    check(build(1), maps, queries=2)


def test_sums_that_float32_rounds_keep_the_bound() -> None:
    """Patches of 1152 channels, nearly all at the largest value: sums of integers beyond 2²⁴."""
    matcher = build(3, height=4, width=3, channels=128)
    values = torch.randint(124, 128, (8, 12, 128), generator=torch.Generator().manual_seed(1), dtype=torch.int8)
    values[:, 0, 0] = 127
    largest_sum = extract_position_major_patches(values.float(), matcher).double().square().sum(dim=2).max()
    assert largest_sum > 2**24
    # Exact in int8: what differs is what float32 rounds.
    maps = values.float() * 2**-9
    assert torch.equal(quantise(maps).dequantise(), maps)
    differences, _ = check(matcher, maps, queries=3)
    assert differences.max() > 0
    # And where int8 rounds too.
    check(matcher, maps + torch.rand(maps.shape, generator=torch.Generator().manual_seed(2)) * 2**-9, queries=3)
