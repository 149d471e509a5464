"""The best of the scored candidates, one for each group where that is wanted."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

GroupBy = Literal["detection", "track", "person"]


def group_labels(
    group_by: GroupBy, track_ids: npt.NDArray[np.object_], person_ids: npt.NDArray[np.object_]
) -> npt.NDArray[np.object_] | None:
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
        best = _first_of_each(ordered, labels)
        if len(best) >= count or considered == len(scores):
            return best[:count]
        considered = min(len(scores), 4 * considered)


def _first_of_each(ordered: list[int], labels: npt.NDArray[np.object_]) -> list[int]:
    seen: set[Any] = set()
    first: list[int] = []
    for place in ordered:
        label = labels[place]
        if label is None or label not in seen:
            seen.add(label)
            first.append(place)
    return first
