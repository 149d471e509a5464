"""Logits and best partners of single pairs, against slow loops."""

import numpy as np
import pytest
import torch

from model.config import ModelConfig
from model.gallery_scoring.interface import FoldedMatcher
from model.query_adaptive_convolution import QueryAdaptiveConvolution
from reference.crowd_maps import draw_crowd
from reference.query_adaptive_convolution import best_partners, logit, similarities
from reference.trained_head import head_of_loops, train_head
from service.inference import matching
from service.inference.feature_extraction import FeatureMap
from service.inference.matching import Matching, MatchingJob


def draw_maps(count: int, seed: int) -> list[FeatureMap]:
    return list(draw_crowd(count, people=3, height=6, width=2, channels=8, seed=seed).numpy().astype(np.float16))


def build(kernel_size: int) -> QueryAdaptiveConvolution:
    convolution = QueryAdaptiveConvolution(config(kernel_size)).eval()
    train_head(convolution.head, seed=3)
    return convolution


def config(kernel_size: int) -> ModelConfig:
    return ModelConfig(48, 16, final_layer="layer2", channels=8, kernel_size=kernel_size)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_pairs_equal_slow_loops(kernel_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_PAIRS_PER_BLOCK", 2)
    convolution = build(kernel_size)
    head = head_of_loops(convolution.head)
    job = Matching(FoldedMatcher.of(convolution, config(kernel_size), "cpu"), torch.device("cpu"))
    query, *gallery = draw_maps(6, seed=1)
    pairs, none, (single,) = job.match(
        [MatchingJob(query, gallery), MatchingJob(query, []), MatchingJob(gallery[0], [query])]
    )
    assert none == []
    assert len(pairs) == 5
    cases = [*zip([query] * 5, gallery, pairs, strict=True), (gallery[0], query, single)]
    for query_map, gallery_map, pair in cases:
        maps = query_map.astype(np.float64), gallery_map.astype(np.float64)
        # Float32 sums of 24 weighted maxima.
        assert pair.logit == pytest.approx(logit(*maps, kernel_size, head), abs=1e-5)
        found = best_partners(similarities(*maps, kernel_size))
        assert pair.partners.query_partners.tolist() == found.query_partners
        assert pair.partners.gallery_partners.tolist() == found.gallery_partners
        np.testing.assert_allclose(pair.partners.query_maxima, found.query_maxima, atol=1e-5)
        np.testing.assert_allclose(pair.partners.gallery_maxima, found.gallery_maxima, atol=1e-5)
