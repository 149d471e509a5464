from collections.abc import Callable
from pathlib import Path

import pytest

from training.datasets.msmt17 import read_msmt17

DrawImages = Callable[..., None]
LISTS = {
    "list_train.txt": ["0000/0000_000_01_0303morning_0008_0.jpg 0"],
    "list_val.txt": ["0000/0000_046_12_0303noon_0006_2_ex.jpg 0"],
    "list_query.txt": ["0000/0000_001_05_0114afternoon_1558_1.jpg 0"],
    "list_gallery.txt": ["0000/0000_002_05_0114afternoon_1558_2.jpg 0", "0001/0001_000_14_0302noon_0245_0.jpg 1"],
}


def write(folder: Path, draw_images: DrawImages, training: str, test: str) -> Path:
    for name, lines in LISTS.items():
        images = training if name in ("list_train.txt", "list_val.txt") else test
        draw_images(folder / images, *(line.split()[0] for line in lines))
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return folder


@pytest.fixture
def folder(tmp_path: Path, draw_images: DrawImages) -> Path:
    return write(tmp_path / "MSMT17_V1", draw_images, "train", "test")


def test_training_is_both_of_its_lists_and_persons_are_told_apart_by_part(folder: Path) -> None:
    found = read_msmt17(folder)
    assert (found.name, found.has_times) == ("MSMT17", False)
    parts = (found.training, found.queries, found.gallery)
    assert [[(crop.person_id, crop.camera_id, crop.track_id) for crop in part] for part in parts] == [
        [("train_0000", "c01", "train_0000_c01_0303morning"), ("train_0000", "c12", "train_0000_c12_0303noon")],
        [("test_0000", "c05", "test_0000_c05_0114afternoon")],
        [("test_0000", "c05", "test_0000_c05_0114afternoon"), ("test_0001", "c14", "test_0001_c14_0302noon")],
    ]
    assert {crop.timestamp_seconds for part in parts for crop in part} == {0.0}
    assert found.queries[0].source == str(folder / "test" / LISTS["list_query.txt"][0].split()[0])
    assert found.queries[0].read_image().size == (2, 4)


def test_the_second_version_has_folders_of_its_own(tmp_path: Path, draw_images: DrawImages) -> None:
    second = write(tmp_path / "MSMT17_V2", draw_images, "mask_train_v2", "mask_test_v2")
    for given in (tmp_path, second):
        assert read_msmt17(given).queries[0].source.startswith(str(second / "mask_test_v2"))


def test_two_versions_beside_each_other_are_not_chosen_between(folder: Path, draw_images: DrawImages) -> None:
    write(folder.parent / "MSMT17_V2", draw_images, "mask_train_v2", "mask_test_v2")
    with pytest.raises(ValueError, match=r"holds more than one: give one of .*MSMT17_V1, .*MSMT17_V2"):
        read_msmt17(folder.parent)


def test_missing_lists_and_folders_are_told(folder: Path) -> None:
    (folder / "test").rename(folder / "tset")
    with pytest.raises(
        ValueError, match=r"should hold the folders train and test or mask_.*, but holds list_gallery.txt,"
    ):
        read_msmt17(folder)
    (folder / "list_val.txt").unlink()
    with pytest.raises(
        ValueError, match=r"is not a folder of MSMT17: expected list_train.txt, list_val.txt, list_query"
    ):
        read_msmt17(folder)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0002/0002_000_01_0303noon_0008_0.jpg 2", "0002_000_01_0303noon_0008_0.jpg is listed, but is not there"),
        ("0002/0002_000_01_0303noon_0008_0.jpg", "is not a file and a person; expected such as 0000/0000_000_01_0303"),
        ("0002/0002_c1s1_000451_03.jpg 2", "0002_c1s1_000451_03.jpg is not understood; expected one such as 0000_000"),
    ],
)
def test_a_line_that_is_not_right_is_told(folder: Path, line: str, told: str) -> None:
    with (folder / "list_gallery.txt").open("a") as stream:
        stream.write(f"\n{line}\n")
    with pytest.raises(ValueError, match=r"list_gallery.txt, line 4: ") as caught:
        read_msmt17(folder)
    assert told in str(caught.value)


def test_an_empty_list_is_told(folder: Path) -> None:
    (folder / "list_query.txt").write_text("\n")
    with pytest.raises(
        ValueError, match=r"list_query.txt is empty; expected lines such as 0000/0000_000_01_0303morning"
    ):
        read_msmt17(folder)
