from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from training.datasets.dataset import DISTRACTOR, JUNK
from training.datasets.market1501 import FOLDER_NAME, read_market1501

DrawImages = Callable[..., None]
NAMES = (
    "bounding_box_train/0002_c1s1_000451_03.jpg",
    "bounding_box_train/0002_c1s2_000025_01.jpg",
    "bounding_box_train/0007_c2s3_000050_01.jpg",
    "query/0001_c1s2_000100_00.jpg",
    "query/1488_c1s3_000050_00.jpg.jpg",
    "bounding_box_test/0001_c2s1_000075_02.jpg",
    "bounding_box_test/0000_c1s1_000600_05.jpg",
    "bounding_box_test/-1_c1s1_009999_01.jpg",
)


@pytest.fixture
def folder(tmp_path: Path, draw_images: DrawImages) -> Path:
    draw_images(tmp_path / FOLDER_NAME, *NAMES)
    (tmp_path / FOLDER_NAME / "query" / "Thumbs.db").touch()
    return tmp_path / FOLDER_NAME


def test_the_parts_are_those_of_the_folders(folder: Path) -> None:
    found = read_market1501(folder)
    assert found.name == "Market-1501"
    assert found.has_times
    assert [(crop.person_id, crop.camera_id) for crop in found.training] == [
        ("0002", "c1"),
        ("0002", "c1"),
        ("0007", "c2"),
    ]
    assert [(crop.person_id, crop.camera_id) for crop in found.queries] == [("0001", "c1"), ("1488", "c1")]
    assert [crop.source for crop in found.gallery] == [str(folder / name) for name in sorted(NAMES[5:])]
    assert read_market1501(folder.parent).queries[0].source == found.queries[0].source
    with Image.open(folder / NAMES[3]) as image:
        assert found.queries[0].read_image().tobytes() == image.convert("RGB").tobytes()


def test_junk_and_distractors_are_nobody_each_on_a_track_of_its_own(folder: Path, draw_images: DrawImages) -> None:
    draw_images(folder, "bounding_box_test/0000_c1s1_000601_01.jpg")
    gallery = read_market1501(folder).gallery
    assert [crop.person_id for crop in gallery] == [JUNK, DISTRACTOR, DISTRACTOR, "0001"]
    assert len({crop.track_id for crop in gallery}) == 4


def test_a_track_is_a_person_in_a_sequence_of_a_camera(folder: Path) -> None:
    assert [crop.track_id for crop in read_market1501(folder).training] == ["0002_c1s1", "0002_c1s2", "0007_c2s3"]


def test_sequences_of_a_camera_follow_on_each_other(folder: Path) -> None:
    found = read_market1501(folder)
    # Camera 1: the first sequence ends with the distractor at 600, not with the junk; the second with the query at 100.
    # Camera 2: the first ends at 75, and there is no second.
    assert [crop.timestamp_seconds for crop in found.training] == [451 / 25, (600 + 25) / 25, (75 + 50) / 25]
    assert [crop.timestamp_seconds for crop in found.queries] == [28.0, (600 + 100 + 50) / 25]
    assert [crop.timestamp_seconds for crop in found.gallery] == [9999 / 25, 24.0, 3.0]


def test_a_part_that_is_missing_or_empty_is_told(folder: Path) -> None:
    for path in (folder / "query").iterdir():
        path.unlink()
    with pytest.raises(
        ValueError, match=r"query holds no images; expected names such as 0002_c1s1_000451_03.jpg, found"
    ):
        read_market1501(folder)
    (folder / "query").rmdir()
    with pytest.raises(
        ValueError, match="is not a folder of Market-1501: expected bounding_box_train, query, bounding"
    ):
        read_market1501(folder)


@pytest.mark.parametrize("name", ["0001_c2_f0046182.jpg", "2_c1s1_000451_03.jpg", "0002_c1s1_000451_03.png"])
def test_names_of_another_dataset_are_told(folder: Path, draw_images: DrawImages, name: str) -> None:
    draw_images(folder, f"bounding_box_train/{name}")
    with pytest.raises(ValueError, match=f"1 of 4 images in .*bounding_box_train have names .* the first {name};"):
        read_market1501(folder)


def test_people_in_training_and_test_are_told(folder: Path, draw_images: DrawImages) -> None:
    draw_images(folder, "bounding_box_test/0002_c3s1_000001_01.jpg")
    with pytest.raises(ValueError, match=r"1 persons both in training and in the queries or gallery \(0002\)"):
        read_market1501(folder)


def test_junk_among_the_queries_is_told(folder: Path, draw_images: DrawImages) -> None:
    draw_images(folder, "query/-1_c3s1_000001_01.jpg")
    with pytest.raises(ValueError, match=r"-1_c3s1_000001_01.jpg is junk among the queries"):
        read_market1501(folder)


def test_a_folder_of_another_size_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_market1501(folder)
    (message,) = caplog.messages
    assert "Market-1501 as published has 12936 training crops, 3368 queries and 19732 gallery crops" in message
    assert "has 3, 2 and 3" in message
