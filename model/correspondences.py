"""Where two crops agree: the arguments of the maxima that the score is made of (Liao & Shao 2020, Section 3.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from model.query_adaptive_convolution import BestPartners

Direction = Literal["query_to_gallery", "gallery_to_query", "mutual"]


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
        partners: of one query and one gallery map, shapes [hw].
        map_width: w, to turn a location into row and column.
        kernel_size: s; similarities are divided by s², so that they are mean cosines.
        max_count: how many are returned at most.
        min_similarity: those below are left out.

    Returns:
        At most `max_count` correspondences; a pair found from both sides is there once, as `mutual`.
    """
    gallery_of_query = partners.query_partners.tolist()
    query_of_gallery = partners.gallery_partners.tolist()
    found: list[tuple[float, int, int, Direction]] = []
    for query, (gallery, similarity) in enumerate(zip(gallery_of_query, _list(partners.query_maxima), strict=True)):
        direction: Direction = "mutual" if query_of_gallery[gallery] == query else "query_to_gallery"
        found.append((similarity, query, gallery, direction))
    for gallery, (query, similarity) in enumerate(zip(query_of_gallery, _list(partners.gallery_maxima), strict=True)):
        if gallery_of_query[query] != gallery:
            found.append((similarity, query, gallery, "gallery_to_query"))
    return _best_first(found, map_width, kernel_size**2, max_count, min_similarity)


def _list(values: Tensor) -> Sequence[float]:
    numbers: Sequence[float] = values.to(torch.float32).tolist()
    return numbers


def _best_first(
    found: list[tuple[float, int, int, Direction]],
    map_width: int,
    patch_area: int,
    max_count: int,
    min_similarity: float,
) -> list[Correspondence]:
    found.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return [
        Correspondence(direction, cosine, _cell(query, map_width), _cell(gallery, map_width))
        for similarity, query, gallery, direction in found[:max_count]
        if (cosine := _mean_cosine(similarity, patch_area)) >= min_similarity
    ]


def _mean_cosine(similarity: float, patch_area: int) -> float:
    """Stored maps are rounded, which brings some products a little beyond 1."""
    return min(max(similarity / patch_area, -1.0), 1.0)


def _cell(location: int, map_width: int) -> Cell:
    return Cell(location // map_width, location % map_width)
