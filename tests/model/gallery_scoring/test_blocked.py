"""The blocked scorer against the float32 reference, which is tested against slow loops itself."""

import pytest
import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, Float32ReferenceScorer, blocked, position_major
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher
from model.query_adaptive_convolution import QueryAdaptiveConvolution
from reference.crowd_maps import draw_crowd, draw_independent
from reference.first_ten import largest_swap_in_first_ten
from reference.trained_head import train_head

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

SHAPES = [(6, 4), (5, 3), (1, 7)]


def build(
    height: int, width: int, kernel_size: int = 1, shared_head: bool = False, device: str = "cpu"
) -> FoldedMatcher:
    config = ModelConfig(
        input_height=16 * height, input_width=16 * width, kernel_size=kernel_size, shared_head=shared_head
    )
    matcher = QueryAdaptiveConvolution(config).eval()
    train_head(matcher.head, seed=4)
    return FoldedMatcher.of(matcher, config, device)


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("shared_head", [False, True])
@pytest.mark.parametrize("query_count", [1, 4])
def test_in_float32_it_equals_the_reference(
    height: int, width: int, kernel_size: int, shared_head: bool, query_count: int
) -> None:
    matcher = build(height, width, kernel_size, shared_head)
    queries = position_major(draw_independent(query_count, height, width, channels=16, seed=1))
    gallery = position_major(draw_independent(9, height, width, channels=16, seed=2))

    scores = BlockedScorer(matcher, torch.float32).score(queries, gallery)

    expected = Float32ReferenceScorer(matcher).score(queries, gallery)
    assert scores.dtype == torch.float32
    # Two float32 orders of adding 2hw terms.
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("maps_per_block", [1, 3, 4, 100])
@pytest.mark.parametrize("gallery_count", [0, 1, 4, 11])
def test_blocks_that_do_not_divide_the_gallery(
    monkeypatch: pytest.MonkeyPatch, kernel_size: int, maps_per_block: int, gallery_count: int
) -> None:
    matcher = build(6, 4, kernel_size)
    monkeypatch.setitem(blocked._BLOCK_BYTES, "cpu", maps_per_block * 24 * 24 * 4)
    queries = position_major(draw_independent(2, 6, 4, channels=16, seed=1))
    gallery = position_major(draw_independent(gallery_count, 6, 4, channels=16, seed=2))

    scores = BlockedScorer(matcher, torch.float32).score(queries, gallery)

    assert scores.shape == (2, gallery_count)
    expected = Float32ReferenceScorer(matcher).score(queries, gallery)
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-5 * 5)


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_some_rows_of_a_gallery_score_as_copies_of_them(
    monkeypatch: pytest.MonkeyPatch, kernel_size: int, compute: torch.dtype
) -> None:
    matcher = build(6, 4, kernel_size)
    monkeypatch.setitem(blocked._BLOCK_BYTES, "cpu", 2 * 24 * 24 * 4)
    maps = position_major(draw_independent(9, 6, 4, channels=16, seed=1))
    rows = torch.tensor([8, 0, 3, 3, 7])
    for scorer in (BlockedScorer(matcher, compute), Float32ReferenceScorer(matcher)):
        assert torch.equal(scorer.score(maps[:2], maps, rows), scorer.score(maps[:2], maps[rows]))
        assert scorer.score(maps[:2], maps, rows[:0]).shape == (2, 0)
        with pytest.raises(ValueError, match="rows from 0 to 9"):
            scorer.score(maps[:2], maps, torch.tensor([0, 9]))


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_int8_scores_are_those_of_the_rounded_maps(kernel_size: int, compute: torch.dtype) -> None:
    matcher = build(6, 4, kernel_size)
    maps = quantise(position_major(draw_independent(9, 6, 4, channels=16, seed=1)))
    queries = Int8Maps(maps.values[:2], maps.scales[:2])
    scorer = BlockedScorer(matcher, compute)

    scores = scorer.score_int8(queries, maps)

    expected = Float32ReferenceScorer(matcher).score(queries.dequantise(), maps.dequantise())
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    rows = torch.tensor([8, 0, 3])
    assert torch.equal(scorer.score_int8(queries, maps, rows), scores[:, rows])


@pytest.fixture(scope="module")
def crowd() -> Tensor:
    return position_major(draw_crowd(302, people=40, height=24, width=8, channels=128, seed=0))


# Where maps are stored and multiplied in reduced precision, in multiples of the logit's spread over the gallery. The
# similarities of a bfloat16 product are rounded to bfloat16, 2⁻⁹ of their size; the mean over 2hw of them is closer.
REDUCED = [
    pytest.param(torch.bfloat16, torch.bfloat16, 5e-3, id="bfloat16"),
    pytest.param(torch.bfloat16, torch.float32, 2e-3, id="bfloat16 stored, float32 multiplied"),
    pytest.param(torch.float16, torch.float32, 3e-4, id="float16 stored, float32 multiplied"),
]


@pytest.mark.parametrize(("storage", "compute", "tolerance"), REDUCED)
@pytest.mark.parametrize("shared_head", [False, True])
def test_reduced_precision_stays_within_a_fraction_of_the_spread(
    storage: torch.dtype, compute: torch.dtype, tolerance: float, shared_head: bool, crowd: Tensor
) -> None:
    matcher = build(24, 8, shared_head=shared_head)
    queries, gallery = crowd[:2], crowd[2:]

    scores = BlockedScorer(matcher, compute).score(queries.to(storage), gallery.to(storage))

    assert_close_and_ranked(scores, Float32ReferenceScorer(matcher).score(queries, gallery), tolerance)


@pytest.mark.parametrize(("storage", "compute", "tolerance"), REDUCED)
def test_reduced_precision_of_patches(storage: torch.dtype, compute: torch.dtype, tolerance: float) -> None:
    matcher = build(12, 4, kernel_size=3)
    maps = position_major(draw_crowd(102, people=30, height=12, width=4, channels=64, seed=1))
    queries, gallery = maps[:2], maps[2:]

    scores = BlockedScorer(matcher, compute).score(queries.to(storage), gallery.to(storage))

    # A quarter of the locations to average over, patches notwithstanding: twice the tolerance of full-size maps.
    assert_close_and_ranked(scores, Float32ReferenceScorer(matcher).score(queries, gallery), 2 * tolerance)


@pytest.mark.parametrize("kernel_size", [1, 3])
@needs_cuda
def test_float32_on_cuda(kernel_size: int) -> None:
    matcher = build(5, 3, kernel_size, device="cuda")
    maps = position_major(draw_independent(13, 5, 3, channels=16, seed=1)).cuda()
    scores = BlockedScorer(matcher, torch.float32).score(maps[:4], maps[4:])
    expected = Float32ReferenceScorer(build(5, 3, kernel_size)).score(maps[:4].cpu(), maps[4:].cpu())
    torch.testing.assert_close(scores.cpu(), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@needs_cuda
def test_reduced_precision_on_cuda(dtype: torch.dtype, crowd: Tensor) -> None:
    matcher = build(24, 8, device="cuda")
    maps = crowd.cuda()
    scores = BlockedScorer(matcher, dtype).score(maps[:3].to(dtype), maps[3:].to(dtype))
    assert_close_and_ranked(scores, Float32ReferenceScorer(matcher).score(maps[:3], maps[3:]), 5e-3)


def assert_close_and_ranked(scores: Tensor, expected: Tensor, tolerance: float) -> None:
    """Within `tolerance` spreads of each query's logits, and the same first ten but for nearer ones than that."""
    for found, right in zip(scores, expected, strict=True):
        spread = float(right.std())
        assert float((found - right).abs().max()) < tolerance * spread
        assert largest_swap_in_first_ten(right, found) <= tolerance * spread


@pytest.mark.parametrize(("storage", "compute", "tolerance"), REDUCED)
def test_equal_maps_score_exactly_alike_wherever_they_lie(
    storage: torch.dtype, compute: torch.dtype, tolerance: float, crowd: Tensor
) -> None:
    # Equal scores are ordered by ID: a difference in the last bit would order them by their place. 61 maps do not
    # fill their last block, and the same map is scored with other neighbours in the second call.
    scorer = BlockedScorer(build(24, 8), compute)
    same = crowd[7:8].to(storage)
    scores = torch.cat([scorer.score(crowd[:1].to(storage), same.expand(count, -1, -1)) for count in (61, 2, 1)], dim=1)
    assert len(scores.unique()) == 1


@pytest.mark.parametrize("signs", ["all", "negative", "a query's negative", "a detection's negative", "zeros"])
def test_maxima_of_bfloat16_are_exact_whatever_their_sign(signs: str) -> None:
    similarities = torch.randn(3, 20, 12, generator=torch.Generator().manual_seed(0)).bfloat16()
    if signs == "negative":
        similarities = -similarities.abs()
    if signs == "a query's negative":
        similarities[1, :, 4] = -similarities[1, :, 4].abs()
    if signs == "a detection's negative":
        similarities[2, 7] = -similarities[2, 7].abs()
    if signs == "zeros":
        similarities = -0.0 * similarities.abs()

    of_queries, of_gallery = blocked._take_maxima(similarities)

    assert torch.equal(of_queries.float(), similarities.float().amax(dim=1))
    assert torch.equal(of_gallery.float(), similarities.float().amax(dim=2))


@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_a_nan_reaches_its_own_logits_alone(compute: torch.dtype) -> None:
    scorer = BlockedScorer(build(6, 4), compute)
    maps = position_major(draw_independent(9, 6, 4, channels=16, seed=1)).to(compute)
    maps[5, 3, 2] = float("nan")
    found = scorer.score(maps[:2], maps).isnan()
    assert found[:, 5].all()
    assert found.sum() == 2


def test_the_whole_gallery_s_similarities_are_never_held() -> None:
    matcher = build(24, 8)
    maps = position_major(draw_independent(200, 24, 8, channels=16, seed=0)).bfloat16()
    with LargestTensor() as largest:
        BlockedScorer(matcher, torch.bfloat16).score(maps[:2], maps)
    assert 0 < largest.bytes <= blocked._BLOCK_BYTES["cpu"]


class LargestTensor(TorchDispatchMode):
    """Watches how large the tensors are that torch makes."""

    bytes = 0

    def __torch_dispatch__(
        self, func: OpOverload, types: object, args: tuple[object, ...] = (), kwargs: dict[str, object] | None = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and not func.is_view:
            self.bytes = max(self.bytes, result.numel() * result.element_size())
        return result
