"""How far the score of two int8 maps is from that of the maps themselves at most: a bound, not an estimate.

Let q_j and g_i be the features at a location of the query and of a detection, and q̂_j, ĝ_i what their int8 maps stand
for. By Cauchy and Schwarz

    |q_j·g_i − q̂_j·ĝ_i| ≤ ‖q_j − q̂_j‖·‖g_i‖ + ‖q̂_j‖·‖g_i − ĝ_i‖,

and maxima differ by no more than the largest difference of what they are taken of. The head is affine in the maxima
(see `FoldedHead`), so a logit differs by at most

    Σ_j |w_q,j| (‖q_j − q̂_j‖·max_i ‖g_i‖ + ‖q̂_j‖·max_i ‖g_i − ĝ_i‖)
    + Σ_i |w_g,i| (max_j ‖q_j − q̂_j‖·‖g_i‖ + max_j ‖q̂_j‖·‖g_i − ĝ_i‖),

four products of a number of the query's and a number of the detection's. Two more allow for what float32 rounds. On
maps of the ResNet-18 checkpoint the bound is 0.77 of the logits' spread over a gallery, and the largest error among
384,000 pairs was 3 % of it: the errors of many locations nearly cancel, which nothing guarantees.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.gallery_scoring.int8_maps import Int8Maps
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.patches import extract_position_major_patches

# Of float32: half the distance from 1 to the next number.
_UNIT_ROUNDING = 2.0**-24
# Additions and multiplications besides those of the products and of the head: scales, conversions, the bias.
_OTHER_OPERATIONS = 16
# The bound's own arithmetic rounds too.
_ROUNDED_UP = 1 + 2.0**-12


@dataclass(frozen=True, slots=True)
class ErrorFactors:
    """What `bound_errors` needs of n maps, float32 [n, 6] each."""

    as_query: Tensor
    as_gallery: Tensor


NUM_FACTORS = 6


def measure_error_factors(maps: Tensor, rounded: Int8Maps, matcher: FoldedMatcher) -> ErrorFactors:
    """The factors of maps [n, hw, d] of any floating dtype that int8 maps stand for; all on the matcher's device."""
    exact = extract_position_major_patches(maps.float(), matcher)
    stood_for = extract_position_major_patches(rounded.dequantise(), matcher)
    lengths, rounded_lengths = (torch.linalg.vector_norm(each, dim=2) for each in (exact, stood_for))
    differences = torch.linalg.vector_norm(stood_for.sub_(exact), dim=2)
    of_queries = matcher.head.query_weights.abs()
    of_gallery = matcher.head.gallery_weights.abs()
    longest, longest_rounded, largest = (each.amax(dim=1) for each in (lengths, rounded_lengths, differences))
    # Tensor cores cut off what does not fit instead of rounding it: an addition counts twice.
    roundings = (2 * exact.shape[2] + len(of_queries) + len(of_gallery) + _OTHER_OPERATIONS) * _UNIT_ROUNDING
    # Both ways of computing a logit round: hence twice.
    by_rounding = 2 * roundings * (of_queries.sum() + of_gallery.sum())
    of_bias = torch.full_like(longest, 2 * roundings * abs(matcher.head.bias))
    longer = torch.maximum(longest, longest_rounded)
    as_query = torch.stack(
        (
            (differences * of_queries).sum(dim=1),
            (rounded_lengths * of_queries).sum(dim=1),
            largest,
            longest_rounded,
            longer * by_rounding,
            torch.ones_like(longest),
        ),
        dim=1,
    )
    as_gallery = torch.stack(
        (
            longest,
            largest,
            (lengths * of_gallery).sum(dim=1),
            (differences * of_gallery).sum(dim=1),
            longer,
            of_bias,
        ),
        dim=1,
    )
    return ErrorFactors(as_query * _ROUNDED_UP, as_gallery * _ROUNDED_UP)


def bound_errors(as_query: Tensor, as_gallery: Tensor) -> Tensor:
    """The most by which int8 logits and exact ones of queries [q, 6] and detections [g, 6] differ, float32 [q, g]."""
    return as_query @ as_gallery.T
