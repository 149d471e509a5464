"""The Triton scorer: under Triton's interpreter in a process of its own, and on a GPU where there is one."""

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from model.gallery_scoring import Float32ReferenceScorer, position_major
from model.gallery_scoring.choose_cuda_scorer import choose_cuda_scorer, make_triton_scorer
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.precision import choose_precision
from model.query_adaptive_convolution import QueryAdaptiveConvolution
from reference.crowd_maps import draw_crowd, draw_independent
from reference.first_ten import largest_swap_in_first_ten
from reference.trained_head import train_head

_INTERPRETED = Path(__file__).with_name("interpreted_triton_scorer.py")
_CUDA = torch.device("cuda")

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@needs_triton
@pytest.mark.slow
@pytest.mark.timeout(900)  # seven seconds of a core, on a crowded one minutes
def test_under_the_interpreter(tmp_path: Path) -> None:
    # Triton asks once, when it is imported, whether to interpret: this process may have it compiled already.
    environment = {**os.environ, "TRITON_INTERPRET": "1", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(_INTERPRETED)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def build(height: int, width: int, device: torch.device | str) -> FoldedMatcher:
    config = ModelConfig(input_height=16 * height, input_width=16 * width)
    matcher = QueryAdaptiveConvolution(config).eval()
    train_head(matcher.head, seed=4)
    return FoldedMatcher.of(matcher, config, device)


def assert_equal_but_for_rounding(found: Tensor, expected: Tensor) -> None:
    """Products are exact in float32 and int32: only sums of `channels` and of 2hw terms are rounded."""
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(24, 8, 128), (16, 8, 128), (5, 7, 20), (1, 7, 32), (10, 5, 64), (18, 16, 128)]
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@needs_cuda
def test_on_cuda_it_equals_the_reference(height: int, width: int, channels: int, dtype: torch.dtype) -> None:
    matcher = build(height, width, _CUDA)
    maps = position_major(draw_independent(104, height, width, channels, seed=1)).to(dtype)

    scorer = make_triton_scorer(matcher, channels, dtype, _CUDA)
    found = scorer.score(maps[:4].cuda(), maps[4:].cuda())

    expected = Float32ReferenceScorer(build(height, width, "cpu")).score(maps[:4].float(), maps[4:].float())
    assert_equal_but_for_rounding(found, expected)


@pytest.mark.parametrize(("height", "width", "channels"), [(24, 8, 128), (16, 8, 128), (5, 7, 20)])
@needs_cuda
def test_int8_on_cuda_is_exact_for_the_rounded_maps(height: int, width: int, channels: int) -> None:
    matcher = build(height, width, _CUDA)
    maps = position_major(draw_independent(103, height, width, channels, seed=1))
    queries, gallery = quantise(maps[:3]), quantise(maps[3:])

    scorer = make_triton_scorer(matcher, channels, torch.int8, _CUDA)
    found = scorer.score_int8(to_cuda(queries), to_cuda(gallery))

    reference = Float32ReferenceScorer(build(height, width, "cpu"))
    assert_equal_but_for_rounding(found, reference.score(queries.dequantise(), gallery.dequantise()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@needs_cuda
def test_maxima_below_zero_are_not_lost_to_padding_on_cuda(dtype: torch.dtype) -> None:
    maps = position_major(draw_independent(10, 5, 7, 20, seed=1).abs()).to(dtype)
    maps[2:] *= -1
    scorer = make_triton_scorer(build(5, 7, _CUDA), 20, dtype, _CUDA)
    found = scorer.score(maps[:2].cuda(), maps[2:].cuda())
    expected = Float32ReferenceScorer(build(5, 7, "cpu")).score(maps[:2].float(), maps[2:].float())
    assert_equal_but_for_rounding(found, expected)


@needs_cuda
def test_a_crowd_is_ranked_as_by_the_reference_on_cuda() -> None:
    crowd = position_major(draw_crowd(2003, people=100, height=24, width=8, channels=128, seed=0))
    chosen = choose_cuda_scorer(build(24, 8, _CUDA), 128, choose_precision("cuda"), _CUDA)
    stored = crowd.half().cuda()
    scores = chosen.score(stored[:3], stored[3:]).cpu()
    expected = Float32ReferenceScorer(build(24, 8, "cpu")).score(crowd[:3], crowd[3:])
    for found, right in zip(scores, expected, strict=True):
        spread = float(right.std())
        assert float((found - right).abs().max()) < 3e-4 * spread
        assert largest_swap_in_first_ten(right, found) <= 3e-4 * spread


@pytest.mark.parametrize("dtype", [torch.float16, torch.int8])
@needs_cuda
def test_equal_maps_score_exactly_alike_wherever_they_lie_on_cuda(dtype: torch.dtype) -> None:
    maps = position_major(draw_independent(2, 24, 8, 128, seed=1)).cuda()
    scorer = make_triton_scorer(build(24, 8, _CUDA), 128, dtype, _CUDA)
    found = []
    for queries, count in ((1, 50_000), (5, 1003), (64, 17), (1, 1)):
        if dtype == torch.int8:
            query, same = quantise(maps[:1].expand(queries, -1, -1)), quantise(maps[1:])
            gallery = Int8Maps(same.values.expand(count, -1, -1), same.scales.expand(count))
            found.append(scorer.score_int8(query, gallery))
        else:
            found.append(scorer.score(maps[:1].half().expand(queries, -1, -1), maps[1:].half().expand(count, -1, -1)))
    assert len(torch.cat([scores.flatten() for scores in found]).unique()) == 1


@needs_cuda
def test_other_numbers_of_maps_compile_nothing_anew_on_cuda() -> None:
    score_pairs = importlib.import_module("model.gallery_scoring.triton_kernel").score_pairs  # no Triton, no module
    maps = position_major(draw_independent(40, 24, 8, 128, seed=1)).half().cuda()
    scorer = make_triton_scorer(build(24, 8, _CUDA), 128, torch.float16, _CUDA)
    scorer.score(maps[:1], maps)
    kernels = score_pairs.device_caches[torch.cuda.current_device()][0]
    before = len(kernels)
    for queries, detections in ((1, 1), (2, 16), (16, 17), (3, 40)):
        scorer.score(maps[:queries], maps[-detections:])
    assert len(kernels) == before


def to_cuda(maps: Int8Maps) -> Int8Maps:
    return Int8Maps(maps.values.cuda(), maps.scales.cuda())
