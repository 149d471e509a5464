"""The Triton scorer is taken where it is right, and nothing worse than plain torch where it is not."""

import logging

import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, Float32ReferenceScorer, GalleryScorer, choose_cuda_scorer
from model.gallery_scoring.choose_cuda_scorer import make_triton_scorer
from model.gallery_scoring.int8_maps import Int8Maps
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.kernel_check import UnusableKernelError
from model.gallery_scoring.precision import ScoringPrecision
from model.query_adaptive_convolution import QueryAdaptiveConvolution
from reference.trained_head import train_head

CPU = torch.device("cpu")


def build(kernel_size: int = 1) -> FoldedMatcher:
    config = ModelConfig(input_height=96, input_width=64, kernel_size=kernel_size)
    matcher = QueryAdaptiveConvolution(config).eval()
    train_head(matcher.head, seed=4)
    return FoldedMatcher.of(matcher, config, "cpu")


class OffScorer:
    """Right but for some of the last detections."""

    def __init__(self, right: GalleryScorer, error: float, *, where_all: bool = True) -> None:
        self._right = right
        self._error = error
        self._where_all = where_all

    def score(self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None = None) -> Tensor:
        scores = self._right.score(query_maps, gallery_maps, rows)
        if self._where_all == (rows is None):
            scores[-1, -1] += self._error
        return scores


class OffInt8Scorer(BlockedScorer):
    """Right but for int8; remembers what it was asked for."""

    def __init__(self, matcher: FoldedMatcher, error: float) -> None:
        super().__init__(matcher, torch.float32)
        self._error = error
        self.scored: list[torch.dtype] = []

    def score(self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None = None) -> Tensor:
        self.scored.append(gallery_maps.dtype)
        return super().score(query_maps, gallery_maps, rows)

    def score_int8(self, queries: Int8Maps, gallery: Int8Maps, rows: Tensor | None = None) -> Tensor:
        self.scored.append(gallery.values.dtype)
        return super().score_int8(queries, gallery, rows) + self._error


class BrokenScorer:
    def score(self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None = None) -> Tensor:
        raise RuntimeError("no C compiler")


def choose(monkeypatch: pytest.MonkeyPatch, made: GalleryScorer, matcher: FoldedMatcher) -> GalleryScorer:
    monkeypatch.setattr(choose_cuda_scorer, "make_triton_scorer", lambda *_: made)
    return choose_cuda_scorer.choose_cuda_scorer(matcher, 16, ScoringPrecision(torch.bfloat16, torch.float32), CPU)


def test_one_that_is_right_is_taken(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    matcher = build()
    made = OffScorer(Float32ReferenceScorer(matcher), error=0.0)
    with caplog.at_level(logging.INFO):
        assert choose(monkeypatch, made, matcher) is made
    assert "Triton" in caplog.text


@pytest.mark.parametrize(("error", "is_taken"), [(0.0, True), (0.01, False)])
def test_for_int8_both_its_scores_are_compared(monkeypatch: pytest.MonkeyPatch, error: float, is_taken: bool) -> None:
    matcher = build()
    made = OffInt8Scorer(matcher, error)
    monkeypatch.setattr(choose_cuda_scorer, "make_triton_scorer", lambda *_: made)
    chosen = choose_cuda_scorer.choose_cuda_scorer(matcher, 16, ScoringPrecision(torch.int8, torch.float32), CPU)
    assert made.scored == [torch.float16] * 2 + [torch.int8] * 2
    assert isinstance(chosen, OffInt8Scorer if is_taken else BlockedScorer)


@pytest.mark.parametrize("error", [0.01, float("nan"), float("inf")])
@pytest.mark.parametrize("where_all", [True, False])
def test_one_that_is_wrong_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: float, *, where_all: bool
) -> None:
    """Also where it is wrong only about some rows of a gallery."""
    matcher = build()
    made = OffScorer(Float32ReferenceScorer(matcher), error, where_all=where_all)
    assert isinstance(choose(monkeypatch, made, matcher), BlockedScorer)
    assert "off by" in caplog.text


def test_one_that_does_not_run_is_not_taken(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(choose(monkeypatch, BrokenScorer(), build()), BlockedScorer)
    assert "no C compiler" in caplog.text


def test_without_triton_it_is_plain_torch(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(choose_cuda_scorer, "IS_TRITON_INSTALLED", False)
    chosen = choose_cuda_scorer.choose_cuda_scorer(build(), 16, ScoringPrecision(torch.float16, torch.float32), CPU)
    assert isinstance(chosen, BlockedScorer)
    assert "pip install triton" in caplog.text


@pytest.mark.parametrize(("kernel_size", "dtype"), [(3, torch.float16), (1, torch.float32)])
def test_what_the_kernel_does_not_take(monkeypatch: pytest.MonkeyPatch, kernel_size: int, dtype: torch.dtype) -> None:
    monkeypatch.setattr(choose_cuda_scorer, "IS_TRITON_INSTALLED", True)
    with pytest.raises(UnusableKernelError, match=f"not {kernel_size} and {dtype}"):
        make_triton_scorer(build(kernel_size), 16, dtype, CPU)
