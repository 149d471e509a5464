"""The question that tells a working device from a broken one."""

import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, GalleryScorer
from model.gallery_scoring.int8_maps import Int8Maps
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


class BrokenInt8Scorer(BlockedScorer):
    """Its int8 scores are farther off than int8 explains."""

    def score_int8(self, queries: Int8Maps, gallery: Int8Maps, rows: Tensor | None = None) -> Tensor:
        return super().score_int8(queries, gallery, rows) + 1.0


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


@pytest.mark.parametrize(("kind", "is_right"), [(BlockedScorer, True), (BrokenInt8Scorer, False)])
def test_the_int8_pass_has_to_keep_its_bound(kind: type[BlockedScorer], *, is_right: bool) -> None:
    matcher = build()
    scorer = kind(matcher, torch.float32)
    check = KnownAnswerCheck(matcher, CHANNELS, scorer, torch.float16, CPU, int8_scorer=scorer)
    assert check.check([None]) == [is_right]
