"""Every native kernel that this processor has against float64, and what a caller may rely on."""

import math
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from model.gallery_scoring import (
    BlockedScorer,
    Float32ReferenceScorer,
    GalleryScorer,
    NativeScorer,
    choose_scorer,
    installed_library,
    position_major,
)
from model.gallery_scoring.int8_maps import Int8Maps, quantise
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.native_library import NativeLibrary
from model.gallery_scoring.precision import choose_precision
from model.query_adaptive_convolution import FoldedHead, QueryAdaptiveConvolution
from reference.crowd_maps import draw_independent
from reference.trained_head import train_head

# Each kernel with each format that it takes.
KERNELS = [
    *[(name, dtype) for name in ("avx2", "avx512") for dtype in (torch.float32, torch.float16, torch.bfloat16)],
    *[(name, torch.bfloat16) for name in ("avx512_bf16", "amx_bf16")],
    *[(name, torch.int8) for name in ("avx2", "avx512", "avx512_vnni", "amx_int8")],
]
# Locations, channels, queries, detections: whole vectors and tiles, and everything between.
SHAPES = [
    (1, 1, 1, 1), (6, 3, 17, 4), (24, 32, 2, 70), (48, 100, 5, 9), (128, 128, 2, 6), (192, 128, 1, 5), (193, 64, 1, 3),
    (200, 65, 1, 3), (513, 130, 1, 2), (33, 512, 2, 3), (7, 2048, 1, 5), (7, 2, 3, 0), (7, 2, 0, 3),
]  # fmt: skip
DRAWN = ["unit vectors", "negative similarities"]


@pytest.fixture(scope="module")
def library() -> NativeLibrary:
    found = installed_library()
    if found is None:
        pytest.skip("no native scorer is installed here")
    return found


def build(locations: int, seed: int = 3) -> FoldedMatcher:
    weights = torch.randn(2, locations, generator=torch.Generator().manual_seed(seed)) / locations
    return FoldedMatcher(locations, 1, 1, FoldedHead(weights[0], weights[1], -1.5))


def draw(count: int, locations: int, channels: int, mean: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, locations, channels, generator=generator) + mean
    return torch.nn.functional.normalize(maps, dim=-1)


def scorer_of(library: NativeLibrary, matcher: FoldedMatcher, name: str) -> NativeScorer:
    if name not in {kernel.name for kernel in library.kernels}:
        pytest.skip(f"this processor has no {name}")
    return NativeScorer(matcher, library, name)


def score_in(scorer: NativeScorer, dtype: torch.dtype, queries: Tensor, gallery: Tensor) -> tuple[Tensor, Tensor]:
    """A kernel's logits of float32 maps stored in a format, and what float64 makes of the stored values."""
    if dtype == torch.int8:
        stored = quantise(queries), quantise(gallery)
        exact = [maps.values.double() * maps.scales.double()[:, None, None] for maps in stored]
        return scorer.score_int8(*stored), score_slowly(scorer._matcher, *exact)
    rounded = queries.to(dtype), gallery.to(dtype)
    return scorer.score(*rounded), score_slowly(scorer._matcher, *(maps.double() for maps in rounded))


def score_slowly(matcher: FoldedMatcher, queries: Tensor, gallery: Tensor) -> Tensor:
    """Logits in float64, every similarity written out."""
    rows = [torch.empty(0, len(gallery), dtype=torch.float64)]
    for query in queries:
        similarities = gallery @ query.T
        query_part = similarities.amax(dim=1) @ matcher.head.query_weights.double()
        gallery_part = similarities.amax(dim=2) @ matcher.head.gallery_weights.double()
        rows.append((query_part + gallery_part + matcher.head.bias)[None])
    return torch.cat(rows)


@pytest.mark.parametrize("drawn", DRAWN)
@pytest.mark.parametrize(("locations", "channels", "queries", "detections"), SHAPES)
@pytest.mark.parametrize(("name", "dtype"), KERNELS)
def test_logits_are_those_of_float64(
    library: NativeLibrary,
    name: str,
    dtype: torch.dtype,
    locations: int,
    channels: int,
    queries: int,
    detections: int,
    drawn: str,
) -> None:
    if name == "amx_int8" and channels > 256:
        pytest.skip("its sums are for 256 channels at most")
    scorer = scorer_of(library, build(locations), name)
    mean = 3.0 if drawn == "negative similarities" else 0.0
    query_maps = draw(queries, locations, channels, mean, seed=1)
    gallery_maps = draw(detections, locations, channels, -mean, seed=2)

    logits, expected = score_in(scorer, dtype, query_maps, gallery_maps)

    assert logits.dtype == torch.float32
    # float32 sums of `channels` products, then of 2hw maxima, of which none is above 1.
    torch.testing.assert_close(logits.double(), expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize(("name", "dtype"), KERNELS)
def test_threads_blocks_and_addresses_change_no_bit(
    library: NativeLibrary, monkeypatch: pytest.MonkeyPatch, name: str, dtype: torch.dtype
) -> None:
    scorer = scorer_of(library, build(32), name)
    queries, gallery = draw(3, 32, 64, 0, seed=1), draw(41, 32, 64, 0, seed=2)
    logits, _ = score_in(scorer, dtype, queries, gallery)
    for threads in (2, 3, 5, 64):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert torch.equal(score_in(scorer, dtype, queries, gallery)[0], logits)
    assert torch.equal(score_in(scorer, dtype, queries, gallery[17:])[0], logits[:, 17:])
    assert torch.equal(score_in(scorer, dtype, queries, gallery.flip(0))[0], logits.flip(1))

    stored = quantise(gallery) if dtype == torch.int8 else None
    values = gallery.to(dtype) if stored is None else stored.values
    shifted = torch.empty(values.numel() + 1, dtype=dtype)[1:].view(values.shape).copy_(values)
    assert shifted.data_ptr() % 64 == shifted.element_size()
    if stored is None:
        assert torch.equal(scorer.score(queries.to(dtype), shifted), logits)
    else:
        assert torch.equal(scorer.score_int8(quantise(queries), Int8Maps(shifted, stored.scales)), logits)


@pytest.mark.parametrize(("name", "dtype"), KERNELS)
@pytest.mark.parametrize("locations", [32, 33])  # read where they lie, and copied
def test_some_rows_of_a_gallery_score_as_copies_of_them(
    library: NativeLibrary, name: str, dtype: torch.dtype, locations: int
) -> None:
    scorer = scorer_of(library, build(locations), name)
    queries, gallery = draw(3, locations, 64, 0, seed=1), draw(41, locations, 64, 0, seed=2)
    for rows in (torch.tensor([7]), torch.tensor([40, 0, 7, 7, 39, 12]), torch.arange(41)[::2], torch.empty(0).long()):
        if dtype == torch.int8:
            stored = quantise(gallery)
            found = scorer.score_int8(quantise(queries), stored, rows)
            expected = scorer.score_int8(quantise(queries), Int8Maps(stored.values[rows], stored.scales[rows]))
        else:
            found = scorer.score(queries.to(dtype), gallery.to(dtype), rows)
            expected = scorer.score(queries.to(dtype), gallery.to(dtype)[rows])
        assert torch.equal(found, expected)


def test_values_beyond_those_of_quantised_maps_do_not_overflow(library: NativeLibrary) -> None:
    # −128 is no value of `quantise`; a kernel that packs sums tightly must bear it all the same.
    for channels in (256, 257):
        maps = Int8Maps(torch.full((2, 24, channels), -128, dtype=torch.int8), torch.full((2,), 1e-3))
        maps.values[1] = 127
        matcher = build(24)
        expected = score_slowly(matcher, maps.dequantise().double(), maps.dequantise().double())
        found = NativeScorer(matcher, library).score_int8(maps, maps)
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)


def test_several_threads_of_python_may_score_at_once(library: NativeLibrary) -> None:
    scorer, queries, gallery = NativeScorer(build(32), library), draw(3, 32, 64, 0, 1), draw(41, 32, 64, 0, 2)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: scorer.score(queries, gallery), range(64)))
    assert all(torch.equal(logits, found[0]) for logits in found)


def test_maps_that_lie_otherwise_are_copied_first(library: NativeLibrary) -> None:
    scorer, queries, gallery = NativeScorer(build(24), library), draw(2, 24, 32, 0, 1), draw(9, 24, 32, 0, 2)
    expected = scorer.score(queries, gallery)
    strided = torch.stack([gallery, -gallery], dim=1)[:, 0]
    assert not strided.is_contiguous()
    assert torch.equal(scorer.score(queries, strided), expected)
    transposed = gallery.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(scorer.score(queries.requires_grad_(), transposed), expected)


def test_logits_are_float32_whatever_torch_makes_by_default(library: NativeLibrary) -> None:
    scorer, maps = NativeScorer(build(24), library), draw(9, 24, 32, 0, 1)
    expected = scorer.score(maps[:2], maps)
    torch.set_default_dtype(torch.float64)
    try:
        found = scorer.score(maps[:2], maps)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found, expected)


@pytest.mark.parametrize(("name", "dtype"), KERNELS)
def test_equal_locations_and_equal_maps(library: NativeLibrary, name: str, dtype: torch.dtype) -> None:
    scorer = scorer_of(library, build(24), name)
    one = draw(1, 1, 32, 0, seed=1).expand(9, 24, 32).contiguous()
    logits, expected = score_in(scorer, dtype, one[:1], one)
    assert len(logits.unique()) == 1
    torch.testing.assert_close(logits.double(), expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize(("name", "dtype"), [kernel for kernel in KERNELS if kernel[1] != torch.int8])
@pytest.mark.parametrize("channels", [32, 33])
def test_a_nan_reaches_its_own_logits_alone(
    library: NativeLibrary, name: str, dtype: torch.dtype, channels: int
) -> None:
    scorer = scorer_of(library, build(32), name)
    queries, gallery = draw(3, 32, channels, 0, seed=1).to(dtype), draw(9, 32, channels, 0, seed=2).to(dtype)
    logits = scorer.score(queries, gallery)
    queries[1, 30, 4] = math.nan
    gallery[6, 5, 7] = math.nan
    with_nan = scorer.score(queries, gallery)
    assert with_nan[1].isnan().all()
    assert with_nan[:, 6].isnan().all()
    assert torch.equal(with_nan[[0, 2]][:, [0, 1, 2, 3, 4, 5, 7, 8]], logits[[0, 2]][:, [0, 1, 2, 3, 4, 5, 7, 8]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int8])
@pytest.mark.parametrize("detections", [0, 3, 130])
def test_patches(library: NativeLibrary, dtype: torch.dtype, detections: int) -> None:
    config = ModelConfig(input_height=96, input_width=64, kernel_size=3)
    trained = QueryAdaptiveConvolution(config).eval()
    train_head(trained.head, seed=4)
    matcher = FoldedMatcher.of(trained, config, "cpu")
    queries = position_major(draw_independent(2, 6, 4, channels=20, seed=1))
    gallery = position_major(draw_independent(detections, 6, 4, channels=20, seed=2))

    if dtype == torch.int8:
        stored = quantise(queries), quantise(gallery)
        logits = NativeScorer(matcher, library).score_int8(*stored)
        queries, gallery = stored[0].dequantise(), stored[1].dequantise()
    else:
        queries, gallery = queries.to(dtype), gallery.to(dtype)
        logits = NativeScorer(matcher, library).score(queries, gallery)

    expected = Float32ReferenceScorer(matcher).score(queries, gallery)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)


def test_patches_of_some_rows(library: NativeLibrary) -> None:
    weights = torch.linspace(-1, 1, 24) / 24
    scorer = NativeScorer(FoldedMatcher(6, 4, 3, FoldedHead(weights, weights, 0.0)), library)
    queries, gallery, rows = draw(2, 24, 20, 0, 1), draw(99, 24, 20, 0, 2), torch.arange(98, 8, -1)
    assert torch.equal(scorer.score(queries, gallery, rows), scorer.score(queries, gallery[rows]))
    stored = quantise(gallery)
    expected = scorer.score_int8(quantise(queries), Int8Maps(stored.values[rows], stored.scales[rows]))
    assert torch.equal(scorer.score_int8(quantise(queries), stored, rows), expected)


def test_maps_of_other_shapes_and_formats_are_refused(library: NativeLibrary) -> None:
    scorer = NativeScorer(build(6), library)
    maps = draw(2, 6, 8, 0, seed=0)
    with pytest.raises(ValueError, match=r"gallery maps of shape \(2, 5, 8\), expected \[n, 6, 8\]"):
        scorer.score(maps, maps[:, :5])
    with pytest.raises(ValueError, match=r"query maps of shape \(2, 6, 7\), expected \[n, 6, 8\]"):
        scorer.score(maps[..., :7], maps)
    with pytest.raises(ValueError, match=r"query maps are torch.float16 on cpu, the gallery's torch.float32"):
        scorer.score(maps.half(), maps)
    with pytest.raises(ValueError, match=r"takes torch.float64 maps of 8 channels; this processor has: .*avx2"):
        scorer.score(maps.double(), maps.double())
    with pytest.raises(ValueError, match="maps of int8 have scales: use score_int8"):
        scorer.score(maps.char(), maps.char())
    with pytest.raises(ValueError, match=r"\(2, 6, 0\) have no channels"):
        scorer.score(maps[..., :0], maps[..., :0])
    with pytest.raises(ValueError, match="rows from 0 to 2, the gallery has 0 to 1"):
        scorer.score(maps, maps, torch.tensor([0, 2]))
    with pytest.raises(ValueError, match="no native kernel amx_fp8 takes"):
        NativeScorer(build(6), library, "amx_fp8").score(maps, maps)


def test_the_fastest_kernel_of_a_format_is_taken(library: NativeLibrary) -> None:
    scorer, here = NativeScorer(build(6), library), [kernel.name for kernel in library.kernels]
    in_float32 = next(name for name in ("avx512", "avx2") if name in here)
    in_bfloat16 = next(name for name in ("amx_bf16", "avx512_bf16", "avx512", "avx2") if name in here)
    assert scorer.kernel_for(torch.float16, 128).name == in_float32
    assert scorer.kernel_for(torch.bfloat16, 128).name == in_bfloat16
    assert scorer.kernel_for(torch.int8, 1152).name != "amx_int8"


def test_the_scorer_of_a_device(library: NativeLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(choose_with(library, monkeypatch), NativeScorer)
    assert isinstance(choose_with(None, monkeypatch), BlockedScorer)


def choose_with(installed: NativeLibrary | None, monkeypatch: pytest.MonkeyPatch) -> GalleryScorer:
    # The package has a function of the module's name.
    monkeypatch.setattr(import_module("model.gallery_scoring.choose_scorer"), "installed_library", lambda: installed)
    return choose_scorer(build(6), 8, choose_precision("cpu"))
