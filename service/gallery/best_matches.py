"""The best of the scored candidates, one for each group where that is wanted."""

from collections.abc import Sequence
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

GroupBy = Literal["detection", "track", "person"]


_Labels = TypeVar("_Labels")


def group_labels(group_by: GroupBy, track_ids: _Labels, person_ids: _Labels) -> _Labels | None:
    """What candidates are grouped by; None where each is a group of its own."""
    return {"detection": None, "track": track_ids, "person": person_ids}[group_by]


def choose_best(
    scores: npt.NDArray[np.float64],
    detection_ids: npt.NDArray[np.object_],
    labels: npt.NDArray[np.object_] | None,
    count: int,
) -> list[int]:
    """The places of the `count` best candidates, or, where there are labels, of the best of each group."""
    if labels is None:
        return best_candidates(scores, detection_ids, count)
    return best_of_groups(scores, detection_ids, labels, count)


def best_candidates(scores: npt.NDArray[np.float64], detection_ids: npt.NDArray[np.object_], count: int) -> list[int]:
    """The places of the `count` highest scores, best first; equal scores by detection ID, also where they are cut."""
    if count < len(scores):
        lowest = np.partition(scores, len(scores) - count)[len(scores) - count]
        places = np.flatnonzero(scores >= lowest)
    else:
        places = np.arange(len(scores))
    ordered = sorted(places.tolist(), key=lambda place: (-scores[place], detection_ids[place]))
    return ordered[:count]


def best_of_groups(
    scores: npt.NDArray[np.float64],
    detection_ids: npt.NDArray[np.object_],
    labels: npt.NDArray[np.object_],
    count: int,
) -> list[int]:
    """The best place of each of the `count` best groups, best first.

    Args:
        scores: float64 [n].
        detection_ids: object [n].
        labels: object [n]; candidates of equal label are a group, one whose label is None is a group of its own.
        count: groups wanted.
    """
    considered = min(len(scores), 4 * count)
    while True:
        ordered = best_candidates(scores, detection_ids, considered)
        best = [ordered[place] for place in first_of_groups([labels[place] for place in ordered])]
        if len(best) >= count or considered == len(scores):
            return best[:count]
        considered = min(len(scores), 4 * considered)


def first_of_groups(labels: Sequence[object]) -> list[int]:
    """The place of the first of each group among labels in their order; who has none, None, is a group alone."""
    seen: set[object] = set()
    first: list[int] = []
    for place, label in enumerate(labels):
        if label is None or label not in seen:
            seen.add(label)
            first.append(place)
    return first
