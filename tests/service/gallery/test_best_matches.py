"""The best of many scores, by sorting everything and by hand."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from service.gallery.best_matches import best_candidates, best_of_groups


def objects(values: Sequence[str | None]) -> npt.NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def draw(count: int, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Scores of few values, so that many are equal, shuffled IDs, and labels some of which are missing."""
    random = np.random.default_rng(seed)
    ids = objects([f"d{number:04}" for number in random.permutation(count)])
    labels = objects([None if number > 6 else f"t{number}" for number in random.integers(0, 10, count)])
    return random.integers(0, 8, count) / 8, ids, labels


def test_by_hand() -> None:
    scores = np.array([0.5, 0.9, 0.5, 0.1, 0.5])
    ids = objects(["c", "z", "a", "y", "b"])
    assert best_candidates(scores, ids, 3) == [1, 2, 4]
    assert best_candidates(scores, ids, 99) == [1, 2, 4, 0, 3]
    labels = objects(["t", "t", None, "u", None])
    assert best_of_groups(scores, ids, labels, 3) == [1, 2, 4]
    assert best_of_groups(scores, ids, labels, 99) == [1, 2, 4, 3]


@pytest.mark.parametrize("count", [1, 2, 10, 99, 100, 150])
def test_the_best_are_those_of_a_full_sort(count: int) -> None:
    scores, ids, _ = draw(100, seed=count)
    everyone = sorted(range(100), key=lambda place: (-scores[place], ids[place]))
    assert best_candidates(scores, ids, count) == everyone[:count]


@pytest.mark.parametrize("count", [1, 2, 7, 20, 200])
def test_the_best_groups_are_those_of_a_full_sort(count: int) -> None:
    scores, ids, labels = draw(300, seed=count)
    expected: list[int] = []
    for place in sorted(range(300), key=lambda each: (-scores[each], ids[each])):
        if labels[place] is None or labels[place] not in [labels[each] for each in expected]:
            expected.append(place)
    assert best_of_groups(scores, ids, labels, count) == expected[:count]


def test_one_large_group_before_all_others_hides_none_of_them() -> None:
    scores = np.linspace(1, 0, 1000)
    ids = objects([f"d{number:04}" for number in range(1000)])
    labels = objects(["crowd"] * 995 + ["a", "b", "c", "d", "e"])
    assert best_of_groups(scores, ids, labels, 3) == [0, 995, 996]


def test_no_candidates() -> None:
    none = objects([])
    assert best_candidates(np.empty(0), none, 5) == []
    assert best_of_groups(np.empty(0), none, none, 5) == []
