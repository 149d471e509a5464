from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from training.synthetic.walks import MEDIAN_TRANSIT_SECONDS, Traffic, Visit, schedule_walks


@pytest.fixture(scope="module")
def visits() -> list[Visit]:
    return list(schedule_walks(seed=4, num_people=200, num_cameras=6, start_seconds=1000.0, traffic=Traffic()))


def test_groups_stay_together(visits: list[Visit]) -> None:
    walks: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for visit in visits:
        walks[visit.group, visit.number].append(visit)
    sizes = set()
    for members in walks.values():
        assert len({visit.camera for visit in members}) == 1
        assert len({visit.heading for visit in members}) == 1
        starts = [visit.moments_seconds[0] for visit in members]
        assert max(starts) - min(starts) <= 4.0
        for visit in members:
            assert set(visit.companions) == {other.person for other in members} - {visit.person}
        sizes.add(len(members))
    assert sizes == {1, 2, 3, 4}


def test_a_person_is_at_one_place_at_a_time(visits: list[Visit]) -> None:
    walks: dict[int, list[Visit]] = defaultdict(list)
    for visit in visits:
        walks[visit.person].append(visit)
    for own in walks.values():
        assert [visit.number for visit in own] == list(range(len(own)))
        for earlier, later in pairwise(own):
            assert later.moments_seconds[0] > earlier.moments_seconds[0] + 1
            assert later.camera != earlier.camera


def test_transits_have_the_stated_median_and_a_long_tail() -> None:
    transits = []
    last: dict[int, Visit] = {}
    for visit in schedule_walks(seed=5, num_people=2000, num_cameras=40, start_seconds=0.0, traffic=Traffic()):
        assert list(visit.moments_seconds) == sorted(visit.moments_seconds)
        if visit.person in last:
            transits.append(visit.moments_seconds[0] - last[visit.person].moments_seconds[-1])
        last[visit.person] = visit
    assert 0.85 * MEDIAN_TRANSIT_SECONDS < np.median(transits) < 1.15 * MEDIAN_TRANSIT_SECONDS
    assert np.quantile(transits, 0.95) > 4 * MEDIAN_TRANSIT_SECONDS
    assert np.quantile(transits, 0.25) > 0.5 * MEDIAN_TRANSIT_SECONDS


def test_some_come_back_and_some_stand_about(visits: list[Visit]) -> None:
    cameras: dict[int, list[int]] = defaultdict(list)
    gaps = []
    for visit in visits:
        cameras[visit.person].append(visit.camera)
        gaps.append(float(np.mean(np.diff(visit.moments_seconds))))
    assert 0.03 < np.mean([len(set(seen)) < len(seen) for seen in cameras.values()]) < 0.3
    assert 0.02 < np.mean(np.asarray(gaps) > 2.5) < 0.25


def test_impossible_traffic_is_refused() -> None:
    with pytest.raises(ValueError, match="1 <= fewest_crops <= most_crops"):
        Traffic(fewest_crops=3, most_crops=2)
