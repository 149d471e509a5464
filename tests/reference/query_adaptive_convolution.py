"""Query-adaptive convolution as slow loops, written from Liao & Shao 2020, Section 3.1, in float64."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class BestPartners(NamedTuple):
    """For every location of one map, its best partner in the other: the similarity, and the partner's location."""

    query_maxima: list[float]
    query_partners: list[int]
    gallery_maxima: list[float]
    gallery_partners: list[int]


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """A one-channel batch normalisation in inference."""

    gain: float
    offset: float
    mean: float
    variance: float
    epsilon: float

    def apply(self, value: float) -> float:
        return (value - self.mean) / (self.variance + self.epsilon) ** 0.5 * self.gain + self.offset


@dataclass(frozen=True, slots=True)
class Head:
    """BN → FC → BN: 2hw weights, the query's direction first, or hw shared by both directions."""

    maxima_norm: BatchNorm
    weights: list[float]
    bias: float
    logit_norm: BatchNorm


def patch_at(feature_map: Array, row: int, column: int, size: int) -> Array:
    """The patch [d, s, s] around a location of a map [d, h, w]; zeros beyond the border."""
    channels, height, width = feature_map.shape
    patch = np.zeros((channels, size, size))
    for i in range(size):
        for j in range(size):
            source_row, source_column = row + i - size // 2, column + j - size // 2
            if 0 <= source_row < height and 0 <= source_column < width:
                patch[:, i, j] = feature_map[:, source_row, source_column]
    return patch


def all_patches(feature_map: Array, size: int) -> list[Array]:
    """The patches of all locations, row by row."""
    _, height, width = feature_map.shape
    return [patch_at(feature_map, row, column, size) for row in range(height) for column in range(width)]


def similarities(query_map: Array, gallery_map: Array, size: int) -> list[list[float]]:
    """Every query patch as a kernel, at every location of the gallery map: [hw of the query][hw of the gallery]."""
    gallery_patches = [patch.ravel() for patch in all_patches(gallery_map, size)]
    return [
        [float(np.dot(kernel.ravel(), patch)) for patch in gallery_patches] for kernel in all_patches(query_map, size)
    ]


def best_partners(table: list[list[float]]) -> BestPartners:
    """Global max pooling from both sides; of equal similarities the first location."""
    found = BestPartners([], [], [], [])
    for row in table:
        partner = max(range(len(row)), key=lambda location: row[location])
        found.query_partners.append(partner)
        found.query_maxima.append(row[partner])
    for location in range(len(table[0])):
        column = [row[location] for row in table]
        partner = max(range(len(column)), key=lambda place: column[place])
        found.gallery_partners.append(partner)
        found.gallery_maxima.append(column[partner])
    return found


def logit_of_maxima(query_maxima: list[float], gallery_maxima: list[float], head: Head) -> float:
    """The head, one step after the other."""
    query_values = [head.maxima_norm.apply(value) for value in query_maxima]
    gallery_values = [head.maxima_norm.apply(value) for value in gallery_maxima]
    if len(head.weights) == len(query_values) + len(gallery_values):
        total = _weighted_sum(query_values + gallery_values, head.weights) + head.bias
    else:
        total = _weighted_sum(query_values, head.weights) + head.bias
        total += _weighted_sum(gallery_values, head.weights) + head.bias
    return head.logit_norm.apply(total)


def logit(query_map: Array, gallery_map: Array, size: int, head: Head) -> float:
    """The whole way from two maps [d, h, w] to their logit."""
    found = best_partners(similarities(query_map, gallery_map, size))
    return logit_of_maxima(found.query_maxima, found.gallery_maxima, head)


def _weighted_sum(values: list[float], weights: list[float]) -> float:
    total = 0.0
    for value, weight in zip(values, weights, strict=True):
        total += value * weight
    return total
