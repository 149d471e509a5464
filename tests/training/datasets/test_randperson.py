from collections.abc import Callable
from pathlib import Path

import pytest

from training.datasets.randperson import FOLDER_NAME, read_randperson

DrawImages = Callable[..., None]


@pytest.fixture
def folder(tmp_path: Path, draw_images: DrawImages) -> Path:
    draw_images(
        tmp_path / FOLDER_NAME,
        "000000_s00_c00_f000264.jpg",
        "000000_s00_c01_f001632.jpg",
        "000731_s01_c00_f000048.jpg",
    )
    return tmp_path / FOLDER_NAME


def test_all_is_for_training(folder: Path) -> None:
    found = read_randperson(folder)
    assert (found.name, found.has_times, len(found.queries), len(found.gallery)) == ("RandPerson", True, 0, 0)
    assert [(crop.person_id, crop.camera_id, crop.track_id) for crop in found.training] == [
        ("000000", "s00_c00", "000000_s00_c00"),
        ("000000", "s00_c01", "000000_s00_c01"),
        ("000731", "s01_c00", "000731_s01_c00"),
    ]
    assert len(read_randperson(folder.parent).training) == 3


def test_times_are_of_24_frames_a_second_and_scenes_a_day_apart(folder: Path) -> None:
    assert [crop.timestamp_seconds for crop in read_randperson(folder).training] == [11.0, 68.0, 86_402.0]


def test_a_folder_without_its_images_is_told(tmp_path: Path, draw_images: DrawImages) -> None:
    with pytest.raises(FileNotFoundError, match="none is not there: give the folder of RandPerson"):
        read_randperson(tmp_path / "none")
    with pytest.raises(ValueError, match=r"holds no images; expected names such as 000000_s00_c00_f000264.jpg, found"):
        read_randperson(tmp_path)
    draw_images(tmp_path, "0002_c1s1_000451_03.jpg")
    with pytest.raises(ValueError, match="1 of 1 images in"):
        read_randperson(tmp_path)
