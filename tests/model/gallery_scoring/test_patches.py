"""Patches of maps that lie position-major."""

import torch

from model.gallery_scoring.interface import FoldedMatcher, position_major
from model.gallery_scoring.patches import extract_position_major_patches
from model.query_adaptive_convolution import FoldedHead, extract_patches
from reference.crowd_maps import draw_independent


def matcher_of(kernel_size: int) -> FoldedMatcher:
    return FoldedMatcher(5, 3, kernel_size, FoldedHead(torch.ones(15), torch.ones(15), 0.0))


def test_patches_are_those_of_the_channel_major_maps() -> None:
    maps = draw_independent(2, 5, 3, channels=4, seed=0)
    found = extract_position_major_patches(position_major(maps), matcher_of(3))
    assert torch.equal(found, extract_patches(maps, 3).transpose(1, 2))


def test_single_locations_are_not_copied() -> None:
    maps = position_major(draw_independent(2, 5, 3, channels=4, seed=0))
    assert extract_position_major_patches(maps, matcher_of(1)) is maps


def test_no_maps_have_no_patches() -> None:
    assert extract_position_major_patches(torch.empty(0, 15, 4), matcher_of(3)).shape == (0, 15, 36)
