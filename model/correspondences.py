"""Where two crops agree: the arguments of the maxima that the score is made of (Liao & Shao 2020, Section 3.1)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.query_adaptive_convolution import BestPartners

Direction = Literal["query_to_gallery", "gallery_to_query", "mutual"]

# Directions as numbers, while arrays hold them.
_DIRECTIONS: tuple[Direction, ...] = ("query_to_gallery", "gallery_to_query", "mutual")
_FROM_QUERY, _FROM_GALLERY, _MUTUAL = range(3)


@dataclass(frozen=True, slots=True)
class Cell:
    """A location of a feature map."""

    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Correspondence:
    """A location of the query and one of the gallery map, of which at least one is the other's best partner.

    Attributes:
        direction: the side from which the pair was found, or both.
        similarity: mean cosine over the patch, in [-1, 1]; the cosine itself for s = 1.
    """

    direction: Direction
    similarity: float
    query: Cell
    gallery: Cell


def list_correspondences(
    partners: BestPartners, map_width: int, kernel_size: int, max_count: int, min_similarity: float
) -> list[Correspondence]:
    """The best correspondences of one pair of maps, best first; equal ones by their locations.

    Args:
        partners: of one query and one gallery map, shapes [hw], on the CPU.
        map_width: w, to turn a location into row and column.
        kernel_size: s; similarities are divided by s², so that they are mean cosines.
        max_count: how many are returned at most.
        min_similarity: those below are left out.

    Returns:
        At most `max_count` correspondences; a pair found from both sides is there once, as `mutual`.
    """
    gallery_of_query, query_of_gallery = partners.query_partners.numpy(), partners.gallery_partners.numpy()
    locations = np.arange(len(gallery_of_query))
    is_mutual = query_of_gallery[gallery_of_query] == locations
    # Of what was found from the gallery's side: a mutual pair is there already.
    others = np.flatnonzero(gallery_of_query[query_of_gallery] != locations)
    similarities = np.concatenate((_array(partners.query_maxima), _array(partners.gallery_maxima)[others]))
    queries = np.concatenate((locations, query_of_gallery[others]))
    galleries = np.concatenate((gallery_of_query, others))
    directions = np.concatenate((np.where(is_mutual, _MUTUAL, _FROM_QUERY), np.full(len(others), _FROM_GALLERY)))
    best = np.lexsort((galleries, queries, -similarities))[:max_count]
    found = zip(*(part[best].tolist() for part in (directions, similarities, queries, galleries)), strict=True)
    return [
        Correspondence(_DIRECTIONS[direction], cosine, _cell(query, map_width), _cell(gallery, map_width))
        for direction, similarity, query, gallery in found
        if (cosine := _mean_cosine(similarity, kernel_size**2)) >= min_similarity
    ]


def _array(values: Tensor) -> npt.NDArray[np.float32]:
    numbers: npt.NDArray[np.float32] = values.to(torch.float32).numpy()
    return numbers


def _mean_cosine(similarity: float, patch_area: int) -> float:
    """Stored maps are rounded, which brings some products a little beyond 1."""
    return min(max(similarity / patch_area, -1.0), 1.0)


def _cell(location: int, map_width: int) -> Cell:
    return Cell(location // map_width, location % map_width)
