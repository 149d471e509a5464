"""The question that tells a working device from a broken one."""

import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, GalleryScorer
from model.gallery_scoring.interface import FoldedMatcher
from model.query_adaptive_convolution import QueryAdaptiveConvolution
from reference.trained_head import train_head
from service.inference.known_answer import KnownAnswerCheck

CPU = torch.device("cpu")
CHANNELS = 32


class BrokenScorer:
    """A scorer whose answers a fault has changed."""

    def __init__(self, scorer: GalleryScorer, damage: float) -> None:
        self._scorer = scorer
        self._damage = damage

    def score(self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None = None) -> Tensor:
        logits = self._scorer.score(query_maps, gallery_maps)
        logits[0, -1] += self._damage
        return logits


def build(kernel_size: int = 1) -> FoldedMatcher:
    config = ModelConfig(channels=CHANNELS, kernel_size=kernel_size)
    convolution = QueryAdaptiveConvolution(config).eval()
    train_head(convolution.head, seed=2)
    return FoldedMatcher.of(convolution, config, CPU)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_a_working_scorer_passes_in_every_precision(dtype: torch.dtype, kernel_size: int) -> None:
    matcher = build(kernel_size)
    check = KnownAnswerCheck(matcher, CHANNELS, BlockedScorer(matcher, torch.float32), dtype, CPU)
    assert check.check([None, None, None]) == [True, True, True]


@pytest.mark.parametrize("damage", [1.0, -1.0, float("nan"), float("inf")])
def test_a_single_wrong_logit_is_found(damage: float) -> None:
    matcher = build()
    scorer = BrokenScorer(BlockedScorer(matcher, torch.float32), damage)
    assert KnownAnswerCheck(matcher, CHANNELS, scorer, torch.bfloat16, CPU).check([None]) == [False]
