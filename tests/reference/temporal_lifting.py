"""Temporal lifting as slow loops, written from Liao & Shao 2020, Section 4, in float64."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """A detection of the gallery."""

    id: str
    camera: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Lifted:
    """What lifting gives: final and temporal scores, and (row of the nearby person, candidate) of every pivot."""

    scores: list[float]
    temporal_scores: list[float]
    pivots: dict[int, list[tuple[int, int]]]


def lift(
    appearance: Sequence[float],
    retrieval: Sequence[Sequence[float]],
    gallery: Sequence[Seen],
    num_pivots: int,
    sigma: float,
    alpha: float,
) -> Lifted:
    """`retrieval[B][X]` is how well nearby person B matches candidate X."""
    pivots = {camera: _pivots(retrieval, gallery, camera, num_pivots) for camera in {seen.camera for seen in gallery}}
    temporal_scores = []
    scores = []
    for place, seen in enumerate(gallery):
        total = 0.0
        for _, pivot in pivots[seen.camera]:
            difference = seen.seconds - gallery[pivot].seconds
            total += math.exp(-(difference**2) / sigma**2)
        temporal_score = total / len(pivots[seen.camera])
        temporal_scores.append(temporal_score)
        scores.append((temporal_score + alpha) * appearance[place])
    return Lifted(scores, temporal_scores, pivots)


def _pivots(
    retrieval: Sequence[Sequence[float]], gallery: Sequence[Seen], camera: int, num_pivots: int
) -> list[tuple[int, int]]:
    """The K highest scores in one camera; of equal ones those of the lower ID, then of the earlier row."""
    retrieved = [
        (-score, gallery[place].id, row, place)
        for row, scores in enumerate(retrieval)
        for place, score in enumerate(scores)
        if gallery[place].camera == camera
    ]
    return [(row, place) for _, _, row, place in sorted(retrieved)[:num_pivots]]
