from pathlib import Path

import pytest

from service.command_line.command_error import CommandError
from service.command_line.detection_source import read_detections


def test_a_folder_with_a_csv_is_read_by_it(tmp_path: Path) -> None:
    (tmp_path / "detections.csv").write_text("file,camera_id,timestamp\nb.jpg,c1,1\na.jpg,c1,2\n")
    for name in ("a.jpg", "b.jpg", "0002_c1s1_000451_03.jpg"):
        (tmp_path / name).touch()
    assert [detection.name for detection in read_detections(tmp_path)] == ["b.jpg", "a.jpg"]


def test_a_folder_without_a_csv_is_read_by_its_file_names(tmp_path: Path) -> None:
    for name in ("0003_c2s1_000001_01.jpg", "0002_c1s1_000451_03.JPG", "Thumbs.db"):
        (tmp_path / name).touch()
    assert [detection.camera_id for detection in read_detections(tmp_path)] == ["c1", "c2"]


def test_a_file_name_that_says_nothing_is_refused_by_name_with_what_was_expected(tmp_path: Path) -> None:
    for name in ("0002_c1s1_000451_03.jpg", "holiday.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(CommandError, match=r"holiday\.jpg, which .*0002_c1s1_000451_03\.jpg.*write a detections\.csv"):
        read_detections(tmp_path)


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CommandError, match=r"no image files \(\.jpg"):
        read_detections(tmp_path)


def test_a_place_where_nothing_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is not there"):
        read_detections(tmp_path / "nowhere")


def test_colliding_ids_are_refused(tmp_path: Path) -> None:
    (tmp_path / "crops.csv").write_text("file,camera_id,timestamp\na/1.jpg,c1,1\na_1.jpg,c1,2\n")
    (tmp_path / "a").mkdir()
    for name in ("a/1.jpg", "a_1.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(CommandError, match="same detection ID, a_1"):
        read_detections(tmp_path / "crops.csv")
