"""The forms in which maps and heads reach a scorer."""

import pytest
import torch

from model.config import ModelConfig
from model.gallery_scoring.interface import FoldedMatcher, position_major
from model.query_adaptive_convolution import FoldedHead, QueryAdaptiveConvolution


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
