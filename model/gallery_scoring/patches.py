"""s×s patches of feature maps that lie position-major."""

from torch import Tensor

from model.gallery_scoring.interface import FoldedMatcher
from model.query_adaptive_convolution import extract_patches


def extract_position_major_patches(maps: Tensor, matcher: FoldedMatcher) -> Tensor:
    """[n, hw, d] to [n, hw, d·s²]; for s = 1 the maps themselves, not a copy."""
    if matcher.kernel_size == 1:
        return maps
    channel_major = maps.transpose(1, 2).unflatten(2, (matcher.map_height, matcher.map_width))
    return extract_patches(channel_major, matcher.kernel_size).transpose(1, 2)
