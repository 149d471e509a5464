"""k-reciprocal re-ranking as slow loops over sets, from Zhong et al., CVPR 2017, Sections 3.2 to 3.4, in float64.

In three places as the published code has it and not the text: a crop counts as the first of its own neighbours, every
row of distances is divided by its largest, and a set is taken in where it shares more than two thirds (the text: at
least two thirds).
"""

import math
from collections.abc import Sequence

Matrix = Sequence[Sequence[float]]


def rerank(distances: Matrix, k1: int, k2: int, distance_weight: float) -> list[list[float]]:
    everybody = range(len(distances))
    scaled = [[value / max(row) for value in row] for row in distances]
    order = [sorted(everybody, key=lambda j, i=i: (j != i, distances[i][j], j)) for i in everybody]
    encodings = [_encode(i, scaled, order, k1) for i in everybody]
    expanded = [_average([encodings[j] for j in order[i][:k2]]) for i in everybody]
    return [
        [
            (1 - distance_weight) * _jaccard_distance(expanded[i], expanded[j]) + distance_weight * scaled[i][j]
            for j in everybody
        ]
        for i in everybody
    ]


def _reciprocal(i: int, k: int, order: Sequence[Sequence[int]]) -> set[int]:
    """R(i, k): the neighbours that have i among theirs, Eq. (3)."""
    return {j for j in order[i][: k + 1] if i in order[j][: k + 1]}


def _encode(i: int, scaled: Matrix, order: Sequence[Sequence[int]], k1: int) -> dict[int, float]:
    """Weights on R*(i, k1), Eq. (4) and (7), that sum to one."""
    neighbours = _reciprocal(i, k1, order)
    expanded = set(neighbours)
    for candidate in neighbours:
        theirs = _reciprocal(candidate, round(k1 / 2), order)
        if len(neighbours & theirs) > 2 / 3 * len(theirs):
            expanded |= theirs
    weights = {j: math.exp(-scaled[i][j]) for j in expanded}
    total = sum(weights.values())
    return {j: weight / total for j, weight in weights.items()}


def _average(encodings: Sequence[dict[int, float]]) -> dict[int, float]:
    """Local query expansion, Eq. (11)."""
    places = {place for encoding in encodings for place in encoding}
    return {place: sum(encoding.get(place, 0.0) for encoding in encodings) / len(encodings) for place in places}


def _jaccard_distance(one: dict[int, float], other: dict[int, float]) -> float:
    """Eq. (10)."""
    places = one.keys() | other.keys()
    minima = sum(min(one.get(place, 0.0), other.get(place, 0.0)) for place in places)
    maxima = sum(max(one.get(place, 0.0), other.get(place, 0.0)) for place in places)
    return 1 - minima / maxima
