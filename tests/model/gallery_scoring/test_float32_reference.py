"""The plain scorer against slow loops."""

import numpy as np
import pytest
import torch

from model.config import ModelConfig
from model.gallery_scoring import Float32ReferenceScorer, position_major
from model.gallery_scoring.interface import FoldedMatcher
from model.query_adaptive_convolution import QueryAdaptiveConvolution
from reference.crowd_maps import draw_crowd, draw_independent
from reference.query_adaptive_convolution import logit
from reference.trained_head import head_of_loops, train_head


def build(
    height: int, width: int, kernel_size: int, shared_head: bool
) -> tuple[QueryAdaptiveConvolution, FoldedMatcher]:
    config = ModelConfig(
        input_height=16 * height, input_width=16 * width, kernel_size=kernel_size, shared_head=shared_head
    )
    matcher = QueryAdaptiveConvolution(config).eval()
    train_head(matcher.head, seed=4)
    return matcher, FoldedMatcher.of(matcher, config, "cpu")


@pytest.mark.parametrize(("height", "width"), [(6, 4), (5, 3), (1, 7)])
@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("shared_head", [False, True])
@pytest.mark.parametrize("query_count", [1, 3])
def test_scores_equal_slow_loops(
    height: int, width: int, kernel_size: int, shared_head: bool, query_count: int
) -> None:
    matcher, folded = build(height, width, kernel_size, shared_head)
    queries = draw_independent(query_count, height, width, channels=16, seed=1)
    gallery = draw_independent(5, height, width, channels=16, seed=2)

    scores = Float32ReferenceScorer(folded).score(position_major(queries), position_major(gallery))

    head = head_of_loops(matcher.head)
    expected = np.array(
        [[logit(q.double().numpy(), g.double().numpy(), kernel_size, head) for g in gallery] for q in queries]
    )
    # float32 rounds each of the 2hw terms to 6e-8 of its size; 1e-5 of the largest logit leaves room for their sum.
    np.testing.assert_allclose(scores.numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_full_size_scores_equal_slow_loops_also_relative_to_their_spread() -> None:
    matcher, folded = build(24, 8, 1, shared_head=False)
    maps = draw_crowd(25, people=8, height=24, width=8, channels=128, seed=0)

    scores = Float32ReferenceScorer(folded).score(position_major(maps[:1]), position_major(maps[1:]))

    head = head_of_loops(matcher.head)
    expected = torch.tensor([logit(maps[0].double().numpy(), g.double().numpy(), 1, head) for g in maps[1:]])
    assert float((scores[0] - expected).abs().max()) < 1e-5 * float(expected.std())


@pytest.mark.parametrize("gallery_count", [0, 1, 63, 64, 65, 130])
@torch.no_grad()
def test_blocks_change_nothing(gallery_count: int) -> None:
    matcher, folded = build(4, 3, 1, shared_head=False)
    queries = draw_independent(2, 4, 3, channels=8, seed=1)
    gallery = draw_independent(gallery_count, 4, 3, channels=8, seed=2)

    scores = Float32ReferenceScorer(folded).score(position_major(queries), position_major(gallery))

    assert scores.shape == (2, gallery_count)
    assert scores.dtype == torch.float32
    if gallery_count:
        torch.testing.assert_close(scores, matcher(queries, gallery), rtol=0, atol=1e-5)
