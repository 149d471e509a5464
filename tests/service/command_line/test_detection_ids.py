from pathlib import Path

import pytest

from service.command_line.command_error import CommandError
from service.command_line.detection_file import DetectionFile
from service.command_line.detection_ids import detection_id_of, require_distinct


def detection(name: str, detection_id: str) -> DetectionFile:
    return DetectionFile(name, Path(name), detection_id, "c1", "0")


@pytest.mark.parametrize(
    ("name", "detection_id"),
    [
        ("room_t000_f00028.jpg", "room_t000_f00028"),
        ("night/cam 1/a.b.png", "night_cam_1_a.b"),
        ("Zürich#7.jpeg", "Z_rich_7"),
        ("no-suffix", "no-suffix"),
        ("a" * 128 + ".jpg", "a" * 128),
    ],
)
def test_the_id_is_the_name_in_the_alphabet_of_ids(name: str, detection_id: str) -> None:
    assert detection_id_of(name) == detection_id


def test_a_name_too_long_is_refused_with_its_length_and_the_limit() -> None:
    with pytest.raises(CommandError, match=r"at most 128 characters and this name makes 129"):
        detection_id_of("a" * 129 + ".jpg")


def test_two_files_with_one_id_are_refused_by_name() -> None:
    with pytest.raises(CommandError, match=r"a\.jpg and a\.png have the same detection ID, a;"):
        require_distinct([detection("b.jpg", "b"), detection("a.jpg", "a"), detection("a.png", "a")])


def test_a_file_listed_twice_is_refused() -> None:
    with pytest.raises(CommandError, match=r"a\.jpg and a\.jpg have the same"):
        require_distinct([detection("a.jpg", "a"), detection("a.jpg", "a")])


def test_distinct_ids_pass() -> None:
    require_distinct([detection("a.jpg", "a"), detection("A.jpg", "A")])
