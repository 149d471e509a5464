"""What filters mean."""

import pytest

from service.records import CandidateFilter, DetectionFilter, DetectionMetadata

METADATA = DetectionMetadata("a", "c1", 100, "t1", None, 60, 160, "image/jpeg", "f" * 64, 1)


@pytest.mark.parametrize(
    ("chosen", "is_meant"),
    [
        (DetectionFilter(), True),
        (DetectionFilter(camera_id="c1", track_id="t1"), True),
        (DetectionFilter(camera_id="c1", track_id="t2"), False),
        (DetectionFilter(camera_id="c2"), False),
        (DetectionFilter(person_id="p1"), False),
        (DetectionFilter(time_from_us=100), True),
        (DetectionFilter(time_from_us=101), False),
        (DetectionFilter(time_to_us=100), False),
        (DetectionFilter(time_to_us=101), True),
        (DetectionFilter(time_from_us=0, time_to_us=100), False),
        (DetectionFilter(time_from_us=100, time_to_us=100), False),
    ],
)
def test_a_detection_filter_restricts_by_all_that_it_names(chosen: DetectionFilter, is_meant: bool) -> None:
    assert chosen.matches(METADATA) is is_meant


def test_adjacent_windows_share_no_detection() -> None:
    windows = [DetectionFilter(time_from_us=start, time_to_us=start + 50) for start in range(0, 200, 50)]
    assert [window.matches(METADATA) for window in windows] == [False, False, True, False]


def test_only_a_filter_that_names_nothing_is_empty() -> None:
    assert DetectionFilter().is_empty
    for changes in ({"camera_id": "c"}, {"track_id": "t"}, {"person_id": "p"}, {"time_from_us": 0}, {"time_to_us": 0}):
        assert not DetectionFilter(**changes).is_empty


@pytest.mark.parametrize(
    ("only", "without", "admitted"),
    [("", "", "abc"), ("ab", "", "ab"), ("", "b", "ac"), ("ab", "b", "a"), ("x", "", ""), ("", "abc", "")],
)
def test_a_candidate_filter_admits_cameras(only: str, without: str, admitted: str) -> None:
    wanted = CandidateFilter(frozenset(only), frozenset(without))
    assert "".join(camera for camera in "abc" if wanted.admits_camera(camera)) == admitted
