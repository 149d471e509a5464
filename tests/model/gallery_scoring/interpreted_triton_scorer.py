"""The Triton scorer under Triton's interpreter, against slow loops. Run by test_triton_scorer.py.

The interpreter takes some milliseconds for each operation on a tile: few maps, tiny, but of every shape that is cut or
padded differently. Not bfloat16, whose product the interpreter gets wrong.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from model.gallery_scoring import Float32ReferenceScorer, position_major
from model.gallery_scoring.int8_error import bound_errors, measure_error_factors
from model.gallery_scoring.int8_maps import quantise
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.triton_scorer import TritonScorer
from model.gallery_scoring.triton_tiling import Tiling
from model.query_adaptive_convolution import QueryAdaptiveConvolution
from reference.crowd_maps import draw_independent
from reference.query_adaptive_convolution import logit
from reference.trained_head import head_of_loops, train_head

torch.set_num_threads(1)
TILING = Tiling(part=16, group=2, warps=4, stages=2)


@dataclass(frozen=True)
class Shape:
    """Maps h × w × d, scored with a tiling."""

    height: int
    width: int
    channels: int
    tiling: Tiling = TILING

    def build(self) -> tuple[QueryAdaptiveConvolution, FoldedMatcher]:
        config = ModelConfig(input_height=16 * self.height, input_width=16 * self.width)
        matcher = QueryAdaptiveConvolution(config).eval()
        train_head(matcher.head, seed=4)
        return matcher, FoldedMatcher.of(matcher, config, "cpu")

    def draw(self, count: int, seed: int) -> Tensor:
        return draw_independent(count, self.height, self.width, self.channels, seed).half()


SHAPES = [
    pytest.param(Shape(4, 4, 32), id="one part"),
    pytest.param(Shape(8, 4, 32), id="two parts in one product"),
    pytest.param(Shape(6, 8, 32), id="three parts in two products"),
    pytest.param(Shape(1, 7, 32), id="fewer locations than sixteen"),
    pytest.param(Shape(5, 7, 20), id="neither locations nor channels divide"),
    pytest.param(Shape(5, 4, 16, Tiling(part=32, group=1, warps=4, stages=1)), id="groups of one"),
    pytest.param(Shape(3, 6, 33, Tiling(part=16, group=4, warps=4, stages=3)), id="fewer detections than a group"),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_equal_slow_loops(shape: Shape) -> None:
    matcher, folded = shape.build()
    queries, gallery = shape.draw(2, seed=1), shape.draw(3, seed=2)

    found = TritonScorer(folded, shape.tiling, multiprocessors=1).score(
        position_major(queries), position_major(gallery)
    )

    head = head_of_loops(matcher.head)
    expected = np.array([[logit(q.double().numpy(), g.double().numpy(), 1, head) for g in gallery] for q in queries])
    assert found.dtype == torch.float32
    # Products of float16 are exact in float32: only the order in which 2hw terms are added differs.
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("shape", [SHAPES[2], SHAPES[4]])
def test_int8_scores_are_those_of_the_rounded_maps(shape: Shape) -> None:
    _, folded = shape.build()
    queries, gallery = (quantise(position_major(shape.draw(count, seed=count))) for count in (2, 3))

    found = TritonScorer(folded, shape.tiling, multiprocessors=1).score_int8(queries, gallery)

    expected = Float32ReferenceScorer(folded).score(queries.dequantise(), gallery.dequantise())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("is_exact_in_int8", [False, True])
@pytest.mark.parametrize("shape", [SHAPES[2], SHAPES[4]])
def test_int8_and_float16_scores_differ_by_no_more_than_is_promised(shape: Shape, *, is_exact_in_int8: bool) -> None:
    _, folded = shape.build()
    queries, gallery = (position_major(shape.draw(count, seed=count)) for count in (2, 3))
    if is_exact_in_int8:  # only float32 rounds then
        queries, gallery = ((quantise(maps).values.float() * 2**-9).half() for maps in (queries, gallery))
    scorer = TritonScorer(folded, shape.tiling, multiprocessors=1)

    coarse = scorer.score_int8(quantise(queries), quantise(gallery))
    exact = scorer.score(queries, gallery)

    as_query = measure_error_factors(queries, quantise(queries), folded).as_query
    as_gallery = measure_error_factors(gallery, quantise(gallery), folded).as_gallery
    bounds = bound_errors(as_query, as_gallery)
    assert ((coarse - exact).abs() <= bounds).all()
    assert (bounds > 0).all()
    assert is_exact_in_int8 == (bounds.max() < 1e-2)


def test_some_rows_of_a_gallery_score_as_copies_of_them() -> None:
    shape = SHAPES[4].values[0]
    scorer = TritonScorer(shape.build()[1], shape.tiling, multiprocessors=1)
    queries, gallery, rows = (
        *(position_major(shape.draw(count, seed=count)) for count in (2, 4)),
        torch.tensor([3, 0]),
    )
    assert torch.equal(scorer.score(queries, gallery, rows), scorer.score(queries, gallery[rows]))
    rounded = quantise(queries), quantise(gallery)
    found = scorer.score_int8(*rounded, rows)
    assert torch.equal(found, scorer.score_int8(*rounded)[:, rows])
    with pytest.raises(ValueError, match="rows from 4 to 4"):
        scorer.score(queries, gallery, torch.tensor([4]))


def test_int8_may_have_a_tiling_of_its_own() -> None:
    shape = Shape(5, 7, 20)
    _, folded = shape.build()
    maps = quantise(position_major(shape.draw(5, seed=1)))
    own = TritonScorer(folded, shape.tiling, 1, Tiling(part=32, group=4, warps=4, stages=3))
    expected = TritonScorer(folded, shape.tiling, 1).score_int8(maps, maps)
    torch.testing.assert_close(own.score_int8(maps, maps), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("height", [5, 8])
def test_maxima_below_zero_are_not_lost_to_padding(height: int) -> None:
    shape = Shape(height, 4, 20)
    _, folded = shape.build()
    queries, gallery = shape.draw(1, seed=1).abs(), -shape.draw(2, seed=2).abs()

    scorer = TritonScorer(folded, shape.tiling, multiprocessors=1)
    found = scorer.score(position_major(queries), position_major(gallery))
    rounded = [quantise(position_major(maps)) for maps in (queries, gallery)]
    found_int8 = scorer.score_int8(*rounded)

    reference = Float32ReferenceScorer(folded)
    expected = reference.score(position_major(queries), position_major(gallery))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    expected_int8 = reference.score(*(maps.dequantise() for maps in rounded))
    torch.testing.assert_close(found_int8, expected_int8, rtol=0, atol=1e-5 * float(expected_int8.abs().max()))


def test_equal_maps_score_exactly_alike_wherever_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape(5, 4, 20)
    scorer = TritonScorer(shape.build()[1], shape.tiling, multiprocessors=1)
    monkeypatch.setattr(scorer, "_programs_at_once", 3)  # the last of them has fewer detections than the others
    # Sixty-fourths: their products are summed without rounding. The interpreter leaves a product to NumPy's BLAS, which
    # sums the rows of one matrix in different orders on some processors; tensor cores do not (test_triton_scorer.py).
    query, same = (position_major(shape.draw(1, seed).mul(64).round().div(64)) for seed in (1, 2))
    scores = torch.cat([scorer.score(query, same.expand(count, -1, -1)) for count in (7, 1)], dim=1)
    assert scores.shape == (1, 8)
    assert len(scores.unique()) == 1


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param(1, 1, id="one"),
        pytest.param(264, 1, id="one each"),
        pytest.param(1024, 4, id="one round of 256"),
        pytest.param(5000, 10, id="two rounds of 250, not one of 264 and one of 49"),
        pytest.param(250_000, 16, id="sixteen are 64 detections"),
    ],
)
def test_programs_end_together(groups: int, expected: int) -> None:
    shape = Shape(4, 4, 32, Tiling(part=16, group=4, warps=4, stages=2))
    assert TritonScorer(shape.build()[1], shape.tiling, multiprocessors=132)._groups_per_program(groups, 4) == expected


def test_no_detections_have_no_scores() -> None:
    shape = Shape(4, 4, 32)
    scorer = TritonScorer(shape.build()[1], shape.tiling, multiprocessors=1)
    assert scorer.score(position_major(shape.draw(2, seed=1)), torch.empty(0, 16, 32).half()).shape == (2, 0)


@pytest.mark.parametrize(
    ("queries", "gallery", "message"),
    [
        (torch.zeros(1, 16, 32), torch.zeros(2, 16, 32), "torch.float32 .* float16 or bfloat16"),
        (torch.zeros(1, 16, 32).half(), torch.zeros(2, 16, 32).bfloat16(), "query maps are torch.float16"),
        (torch.zeros(1, 16, 32).char(), torch.zeros(2, 16, 32).char(), "torch.int8 .* float16 or bfloat16"),
        (torch.zeros(1, 16, 32).half(), torch.zeros(2, 15, 32).half(), r"gallery maps of shape \(2, 15, 32\)"),
        (torch.zeros(1, 16, 31).half(), torch.zeros(2, 16, 32).half(), r"expected \[n, 16, 32\]"),
    ],
)
def test_maps_that_do_not_fit_are_refused(queries: Tensor, gallery: Tensor, message: str) -> None:
    shape = Shape(4, 4, 32)
    with pytest.raises(ValueError, match=message):
        TritonScorer(shape.build()[1], shape.tiling, multiprocessors=1).score(queries, gallery)


def test_patches_are_refused() -> None:
    config = ModelConfig(input_height=64, input_width=64, kernel_size=3)
    matcher = FoldedMatcher.of(QueryAdaptiveConvolution(config), config, "cpu")
    with pytest.raises(ValueError, match="kernel_size 3"):
        TritonScorer(matcher, TILING, multiprocessors=1)
