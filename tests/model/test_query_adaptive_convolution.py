"""The matcher against slow loops and numbers worked out by hand."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from model.query_adaptive_convolution import (
    MatchingHead,
    QueryAdaptiveConvolution,
    apply_folded_head,
    extract_patches,
    global_max_pooling,
    match_maps,
)
from reference.crowd_maps import draw_independent
from reference.query_adaptive_convolution import Array, all_patches, best_partners, logit, similarities
from reference.trained_head import head_of_loops, train_head

MAP_SIZES = [(6, 4), (5, 3), (3, 5), (7, 1), (1, 1)]


def build_matcher(height: int, width: int, kernel_size: int, shared_head: bool) -> QueryAdaptiveConvolution:
    config = ModelConfig(
        input_height=16 * height, input_width=16 * width, kernel_size=kernel_size, shared_head=shared_head
    )
    matcher = QueryAdaptiveConvolution(config).eval()
    train_head(matcher.head, seed=3)
    return matcher


def as_array(feature_map: Tensor) -> Array:
    return feature_map.double().numpy()


@pytest.mark.parametrize(("height", "width"), MAP_SIZES)
@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("shared_head", [False, True])
@torch.no_grad()
def test_logits_equal_slow_loops(height: int, width: int, kernel_size: int, shared_head: bool) -> None:
    matcher = build_matcher(height, width, kernel_size, shared_head)
    queries = draw_independent(3, height, width, channels=16, seed=1)
    gallery = draw_independent(4, height, width, channels=16, seed=2)

    logits = matcher(queries, gallery)

    head = head_of_loops(matcher.head)
    expected = [[logit(as_array(q), as_array(g), kernel_size, head) for g in gallery] for q in queries]
    # float32 rounds each of the 2hw terms to 6e-8 of its size; 1e-5 of the largest logit leaves room for their sum.
    tolerance = 1e-5 * float(np.abs(expected).max())
    np.testing.assert_allclose(logits.numpy(), expected, rtol=0, atol=tolerance)


def test_partners_are_the_loops_arguments_of_the_maxima() -> None:
    query = draw_independent(1, 5, 3, channels=8, seed=5)
    gallery = draw_independent(1, 5, 3, channels=8, seed=6)
    for kernel_size in (1, 3):
        found = match_maps(query, gallery, kernel_size)
        expected = best_partners(similarities(as_array(query[0]), as_array(gallery[0]), kernel_size))
        assert found.query_partners[0, 0].tolist() == expected.query_partners
        assert found.gallery_partners[0, 0].tolist() == expected.gallery_partners


def test_maps_worked_by_hand() -> None:
    # Two channels, two locations. Query: (1, 0), (0.6, 0.8). Gallery: (0, 1), (0.8, 0.6).
    query = torch.tensor([[[[1.0, 0.6]], [[0.0, 0.8]]]])
    gallery = torch.tensor([[[[0.0, 0.8]], [[1.0, 0.6]]]])

    found = match_maps(query, gallery, kernel_size=1)

    # Similarities: (0, 0.8) for the query's first location, (0.8, 0.96) for its second.
    torch.testing.assert_close(found.query_maxima[0, 0], torch.tensor([0.8, 0.96]))
    torch.testing.assert_close(found.gallery_maxima[0, 0], torch.tensor([0.8, 0.96]))
    assert found.query_partners[0, 0].tolist() == [1, 1]
    assert found.gallery_partners[0, 0].tolist() == [1, 1]


def test_equal_similarities_go_to_the_first_location() -> None:
    found = global_max_pooling(torch.tensor([[0.5, 0.9, 0.9], [0.5, 0.1, 0.9], [0.5, 0.5, 0.5]]))
    assert found.query_partners.tolist() == [1, 2, 0]
    assert found.gallery_partners.tolist() == [0, 0, 0]


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_patches_are_padded_with_zeros(kernel_size: int) -> None:
    maps = draw_independent(2, 4, 3, channels=2, seed=9)
    patches = extract_patches(maps, kernel_size)
    assert patches.shape == (2, 2 * kernel_size**2, 12)
    for feature_map, found in zip(maps, patches, strict=True):
        expected = np.stack([patch.ravel() for patch in all_patches(as_array(feature_map), kernel_size)], axis=1)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_a_corner_patch_by_hand() -> None:
    patches = extract_patches(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 3)
    assert patches[0, :, 0].tolist() == [0, 0, 0, 0, 1, 2, 0, 3, 4]
    assert patches[0, :, 3].tolist() == [1, 2, 0, 3, 4, 0, 0, 0, 0]


@pytest.mark.parametrize("shared_head", [False, True])
@torch.no_grad()
def test_the_folded_head_equals_the_unfolded_one(shared_head: bool) -> None:
    matcher = build_matcher(6, 4, 1, shared_head)
    partners = match_maps(draw_independent(3, 6, 4, 16, seed=1), draw_independent(5, 6, 4, 16, seed=2), 1)

    folded = matcher.head.fold()
    logits = apply_folded_head(folded, partners)

    expected = matcher.head(partners.query_maxima, partners.gallery_maxima)
    assert folded.query_weights.shape == folded.gallery_weights.shape == (24,)
    # Two float32 ways to add the same 48 terms.
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@torch.no_grad()
def test_a_head_worked_by_hand() -> None:
    head = MatchingHead(2, shared=False).eval()
    head.fc.weight.copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    head.fc.bias.fill_(0.5)
    # Both batch normalisations begin as v / √(1 + ε) and ε = 1e-5.
    shrink = (1 + 1e-5) ** -0.5
    logit_by_hand = ((0.1 * 1 + 0.2 * 2 + 0.3 * 3 + 0.4 * 4) * shrink + 0.5) * shrink
    found = head(torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4]))
    assert float(found) == pytest.approx(logit_by_hand, rel=1e-6)


@torch.no_grad()
def test_a_shared_head_is_a_whole_one_with_equal_halves_and_twice_the_bias() -> None:
    shared, whole = MatchingHead(6, shared=True).eval(), MatchingHead(6, shared=False).eval()
    train_head(shared, seed=1)
    train_head(whole, seed=1)
    whole.fc.weight.copy_(shared.fc.weight.repeat(1, 2))
    whole.fc.bias.copy_(2 * shared.fc.bias)
    maxima = torch.rand(2, 7, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(shared(*maxima), whole(*maxima))


@pytest.mark.parametrize(("kernel_size", "shared_head"), list(itertools.product([1, 3], [False, True])))
def test_training_normalises_the_batch_and_gives_gradients(kernel_size: int, shared_head: bool) -> None:
    matcher = build_matcher(4, 3, kernel_size, shared_head).train()
    statistics_before = {name: buffer.clone() for name, buffer in matcher.named_buffers()}
    queries = draw_independent(3, 4, 3, channels=8, seed=1).requires_grad_()
    gallery = draw_independent(4, 4, 3, channels=8, seed=2).requires_grad_()

    logits = matcher(queries, gallery)
    logits.square().sum().backward()

    # Batch normalisation gives the logits of a batch the mean and (biased) standard deviation of its own parameters.
    torch.testing.assert_close(logits.mean(), matcher.head.logit_bn.bias[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(logits.std(correction=0), matcher.head.logit_bn.weight[0], rtol=1e-2, atol=0)
    assert all(not torch.equal(buffer, statistics_before[name]) for name, buffer in matcher.named_buffers())
    for name, tensor in [("queries", queries), ("gallery", gallery), *matcher.named_parameters()]:
        assert tensor.grad is not None, name
        assert torch.isfinite(tensor.grad).all(), name
        # The biases before a batch normalisation cancel out of it: there, no gradient is the right one.
        if name not in ("head.bn.bias", "head.fc.bias"):
            assert tensor.grad.abs().max() > 0, name


def test_folding_does_not_depend_on_the_mode() -> None:
    head = build_matcher(4, 3, 1, shared_head=False).head
    in_inference, in_training = head.eval().fold(), head.train().fold()
    assert torch.equal(in_inference.query_weights, in_training.query_weights)
    assert in_inference.bias == in_training.bias
