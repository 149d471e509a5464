"""What int8 costs, and its rounding worked out by hand."""

import pytest
import torch

from model.config import ModelConfig
from model.gallery_scoring import (
    BlockedScorer,
    Float32ReferenceScorer,
    NativeScorer,
    installed_library,
    position_major,
)
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher
from model.query_adaptive_convolution import FoldedHead, QueryAdaptiveConvolution
from reference.crowd_maps import draw_crowd, draw_independent
from reference.trained_head import train_head


def test_the_largest_value_is_127_steps() -> None:
    maps = quantise(torch.tensor([[[0.5, -0.25]], [[-2.54, 0.03]]]))
    assert maps.values.tolist() == [[[127, -64]], [[-127, 2]]]  # −63.5 goes to the even neighbour
    torch.testing.assert_close(maps.scales, torch.tensor([0.5 / 127, 0.02]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_value_is_off_by_half_a_step_at_most(dtype: torch.dtype) -> None:
    maps = position_major(draw_independent(5, 6, 4, channels=32, seed=0)).to(dtype)
    quantised = quantise(maps)
    error = (quantised.dequantise() - maps.float()).abs().amax(dim=(1, 2))
    assert len(quantised) == 5
    assert bool((error <= 0.5001 * quantised.scales).all())


def test_wiped_maps_and_none_at_all() -> None:
    assert not quantise(torch.zeros(2, 3, 4)).dequantise().any()
    assert quantise(torch.zeros(2, 3, 4)).scales.isfinite().all()
    assert quantise(torch.empty(0, 3, 4)).values.shape == (0, 3, 4)


def test_logits_move_by_little_beside_their_spread() -> None:
    config = ModelConfig(input_height=384, input_width=128)
    matcher = QueryAdaptiveConvolution(config).eval()
    train_head(matcher.head, seed=4)
    scorer = Float32ReferenceScorer(FoldedMatcher.of(matcher, config, "cpu"))
    crowd = position_major(draw_crowd(102, people=20, height=24, width=8, channels=128, seed=0))
    rounded = quantise(crowd).dequantise()

    exact, scores = scorer.score(crowd[:2], crowd[2:]), scorer.score(rounded[:2], rounded[2:])

    for right, found in zip(exact, scores, strict=True):
        # Measured: 0.005 over 600 detections.
        assert float((found - right).abs().max()) < 0.01 * float(right.std())


@pytest.mark.parametrize(
    ("values", "scales", "message"),
    [
        (torch.zeros(2, 3, 4), torch.ones(2), "values torch.float32"),
        (torch.zeros(3, 4).char(), torch.ones(3), "expected int8"),
        (
            torch.zeros(2, 3, 4).char(),
            torch.ones(1),
            r"scales torch.float32 \[1\] on cpu, expected float32 \[2\] on cpu",
        ),
        (torch.zeros(2, 3, 4).char(), torch.ones(2).double(), "scales torch.float64"),
    ],
)
def test_values_without_their_scales_are_refused(values: torch.Tensor, scales: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Int8Maps(values, scales)


@pytest.mark.parametrize("channels", [64, 1040])
def test_scoring_rounds_by_no_more_than_is_stated(channels: int) -> None:
    """The bound of the module's docstring, on heads of either sign and on maps whose products all add up."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(2, 24, generator=generator)
    matcher = FoldedMatcher(24, 1, 1, FoldedHead(weights[0], weights[1], 3.0))
    maps = quantise(torch.rand(6, 24, channels, generator=generator))
    exact = maps.values.double() * maps.scales.double()[:, None, None]
    similarities = torch.einsum("qrc,gsc->qgrs", exact, exact)
    heads = weights.double()
    expected = similarities.amax(dim=3) @ heads[0] + similarities.amax(dim=2) @ heads[1] + 3.0
    longest = exact.norm(dim=-1).amax(dim=1)
    bound = (2 * 24 + 4) * 2**-24 * (longest[:, None] * longest * heads.abs().sum() + 3.0)
    library = installed_library()
    scorers: list[BlockedScorer | NativeScorer] = [BlockedScorer(matcher, torch.bfloat16)]
    scorers += (
        []
        if library is None
        else [
            NativeScorer(matcher, library, k.name)
            for k in library.kernels
            if k.name in {"avx2", "avx512", "avx512_vnni"}
        ]
    )
    for scorer in scorers:
        assert bool(((scorer.score_int8(maps, maps) - expected).abs() <= bound).all())
