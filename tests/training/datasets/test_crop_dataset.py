from collections.abc import Callable
from pathlib import Path

import pytest

from training.datasets.crop_dataset import read_crop_dataset
from training.datasets.dataset import Dataset
from training.datasets.labelled_crop import LabelledCrop

DrawImages = Callable[..., None]
NAMES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")


def read(folder: Path, draw_images: DrawImages, text: str) -> Dataset:
    folder.mkdir(exist_ok=True)
    draw_images(folder, *NAMES)
    (folder / "detections.csv").write_text(text)
    return read_crop_dataset(folder)


def files(crops: list[LabelledCrop]) -> str:
    return " ".join(Path(crop.source).stem for crop in crops)


def parts(dataset: Dataset) -> tuple[str, ...]:
    return tuple(files(list(part)) for part in (dataset.training, dataset.queries, dataset.gallery))


SPLIT = """file,person_id,camera_id,timestamp,split
a.jpg,p1,c1,10,train
b.jpg,p2,c1,20,query
c.jpg,p2,c2,30,gallery
d.jpg,distractor,c2,40,gallery
e.jpg,junk,c2,50,gallery
"""


def test_a_split_says_what_each_crop_is_for(tmp_path: Path, draw_images: DrawImages) -> None:
    found = read(tmp_path / "station", draw_images, SPLIT)
    assert parts(found) == ("a", "b", "c d e")
    assert (found.name, found.has_times) == ("station", True)
    assert [crop.timestamp_seconds for crop in found.gallery] == [30.0, 40.0, 50.0]
    assert [crop.track_id for crop in found.queries] == ["b.jpg"]


def test_without_a_split_all_is_trained_on_and_the_first_of_every_track_searched_for(
    tmp_path: Path, draw_images: DrawImages
) -> None:
    text = """file,person_id,camera_id,timestamp,track_id
a.jpg,p1,c1,10,t1
b.jpg,p1,c1,9,t1
c.jpg,p1,c2,30,t2
d.jpg,distractor,c2,40,t3
e.jpg,p2,c2,50,t4
"""
    found = read(tmp_path, draw_images, text)
    assert parts(found) == ("a b c e", "a c e", "a b c d e")
    assert found.queries[0] is found.gallery[0]


def test_a_csv_of_any_name_may_be_given(tmp_path: Path, draw_images: DrawImages) -> None:
    read(tmp_path, draw_images, SPLIT)
    (tmp_path / "detections.csv").rename(tmp_path / "monday.csv")
    found = read_crop_dataset(tmp_path / "monday.csv")
    assert (found.name, parts(found)[0]) == ("monday", "a")


def test_one_time_for_all_is_no_time(tmp_path: Path, draw_images: DrawImages) -> None:
    assert not read(
        tmp_path, draw_images, "file,person_id,camera_id,timestamp\na.jpg,p1,c1,0\nb.jpg,p1,c2,0\n"
    ).has_times


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("a.jpg,p1,c1,10,test", "line 7: split: 'test'; expected train, query or gallery"),
        ("a.jpg,p1,c1,10,", "line 7: split: ''; expected train, query or gallery"),
        ("a.jpg,p1,c1,10,gallery", r"1 persons both in training and in the queries or gallery \(p1\)"),
        ("a.jpg,junk,c1,10,train", "a.jpg is junk among the training: expected it in the gallery alone"),
    ],
)
def test_a_split_that_is_mixed_up_is_told(tmp_path: Path, draw_images: DrawImages, row: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read(tmp_path, draw_images, f"{SPLIT}{row}\n")


def test_crops_of_nobody_alone_are_told(tmp_path: Path, draw_images: DrawImages) -> None:
    with pytest.raises(
        ValueError, match=r"detections\.csv lists distractor and junk alone: expected crops of people too"
    ):
        read(tmp_path, draw_images, "file,person_id,camera_id,timestamp\na.jpg,junk,c1,1\n")


def test_queries_without_a_gallery_are_told(tmp_path: Path, draw_images: DrawImages) -> None:
    with pytest.raises(
        ValueError, match=r"detections.csv has 1 queries and 0 gallery crops: expected both, or neither"
    ):
        read(tmp_path, draw_images, "\n".join(SPLIT.splitlines()[:3]))


def test_a_folder_without_a_csv_is_told_with_what_it_holds(tmp_path: Path, draw_images: DrawImages) -> None:
    draw_images(tmp_path, "a.jpg")
    expected = (
        "detections.csv is not there: expected a CSV of file, person_id, camera_id, timestamp, but .* holds a.jpg"
    )
    with pytest.raises(FileNotFoundError, match=expected):
        read_crop_dataset(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"none.csv is not there: expected a CSV of file"):
        read_crop_dataset(tmp_path / "none.csv")
