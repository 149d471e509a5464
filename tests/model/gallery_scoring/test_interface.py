"""The forms in which maps and heads reach a scorer."""

import pytest
import torch

from model.config import ModelConfig
from model.gallery_scoring import Float32ReferenceScorer
from model.gallery_scoring.interface import FoldedMatcher, position_major
from model.query_adaptive_convolution import FoldedHead, QueryAdaptiveConvolution
from reference.crowd_maps import draw_independent
from reference.trained_head import train_head


def test_position_major_puts_a_location_s_channels_side_by_side() -> None:
    maps = torch.arange(2 * 3 * 2 * 4).reshape(2, 3, 2, 4)
    found = position_major(maps)
    assert found.shape == (2, 8, 3)
    assert found.is_contiguous()
    assert torch.equal(found[1, 5], maps[1, :, 1, 1])


def test_a_folded_matcher_has_the_geometry_of_its_config() -> None:
    config = ModelConfig(input_height=96, input_width=64, kernel_size=3)
    matcher = FoldedMatcher.of(QueryAdaptiveConvolution(config), config, "cpu")
    assert (matcher.map_height, matcher.map_width, matcher.kernel_size) == (6, 4, 3)
    assert matcher.head.query_weights.shape == matcher.head.gallery_weights.shape == (24,)


def test_a_head_of_other_maps_is_refused() -> None:
    head = FoldedHead(torch.zeros(24), torch.zeros(25), 0.0)
    with pytest.raises(ValueError, match=r"gallery weights of shape \(25,\), expected \[24\] for maps 6 × 4"):
        FoldedMatcher(6, 4, 1, head)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_the_mean_of_both_directions_is_a_matcher_too(kernel_size: int) -> None:
    config = ModelConfig(input_height=96, input_width=64, kernel_size=kernel_size, channels=16)
    convolution = QueryAdaptiveConvolution(config).eval()
    train_head(convolution.head, seed=4)
    matcher = FoldedMatcher.of(convolution, config, "cpu")
    maps = position_major(draw_independent(5, config.map_height, config.map_width, channels=16, seed=1))
    directed = Float32ReferenceScorer(matcher).score(maps, maps)
    assert not torch.allclose(directed, directed.T, atol=1e-2)
    mean = Float32ReferenceScorer(matcher.mean_of_directions()).score(maps, maps)
    torch.testing.assert_close(mean, (directed + directed.T) / 2, rtol=0, atol=1e-5 * float(directed.abs().max()))
