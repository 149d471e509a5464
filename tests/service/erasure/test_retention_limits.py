"""How old detections may be: the limit of all, of a camera, and what is refused on its way in."""

import pytest

from service.erasure.retention_limits import (
    has_retention,
    outlived_filters,
    require_within_retention,
    retention_seconds_of,
)
from service.errors import InvalidField
from service.records import DetectionMetadata
from service.settings import Settings

NOW_US = 1_790_000_000_000_000
SETTINGS = Settings(retention_seconds=100, camera_retention_seconds={"entrance": 10, "vault": 1000})


def seconds_ago(seconds: float) -> int:
    return NOW_US - round(seconds * 1_000_000)


def test_a_cameras_own_limit_goes_first() -> None:
    assert [retention_seconds_of(SETTINGS, each) for each in ("entrance", "vault", "yard")] == [10, 1000, 100]
    only_one = Settings(camera_retention_seconds={"entrance": 10})
    assert retention_seconds_of(only_one, "yard") is None
    assert [has_retention(each) for each in (SETTINGS, only_one, Settings())] == [True, True, False]


@pytest.mark.parametrize(
    ("timestamp", "created", "is_outlived"),
    [
        (10, 10, True),
        (9.999999, 9.999999, False),
        (10, 0, True),  # sent late: its age is that of what it shows
        (5, 60, False),
        (-3, 10, True),  # a timestamp that lies in the future says nothing of its age
        (-3, 9.999999, False),
        (-1_000_000, 11, True),
    ],
)
def test_age_counts_from_the_timestamp_or_from_when_it_was_stored(
    timestamp: float, created: float, is_outlived: bool
) -> None:
    metadata = DetectionMetadata(
        "a", "entrance", seconds_ago(timestamp), None, None, 1, 1, "image/png", "f", seconds_ago(created)
    )
    assert any(each.matches(metadata) for each in outlived_filters(SETTINGS, "entrance", NOW_US)) is is_outlived


def test_without_a_limit_nothing_is_outlived_and_everything_taken() -> None:
    assert list(outlived_filters(Settings(), "c", NOW_US)) == []
    require_within_retention(Settings(), "c", 0, NOW_US)
    require_within_retention(Settings(), "c", NOW_US * 2, NOW_US)


@pytest.mark.parametrize("seconds", [9.9, 0, -300])
def test_what_is_within_its_age_is_taken(seconds: float) -> None:
    require_within_retention(SETTINGS, "entrance", seconds_ago(seconds), NOW_US)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(10, ("10 s ago", "kept for 10 s", "do not send")), (-301, ("301 s in the future", "at most 300 s", "clock"))],
)
def test_what_is_outside_is_refused_with_its_age_the_limit_and_what_to_do(
    seconds: float, words: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidField) as refused:
        require_within_retention(SETTINGS, "entrance", seconds_ago(seconds), NOW_US)
    assert [error.field for error in refused.value.field_errors] == ["timestamp"]
    assert all(word in refused.value.detail for word in words), refused.value.detail
