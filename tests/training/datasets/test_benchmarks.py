import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from training.datasets.benchmarks import DATASETS, open_dataset

DrawImages = Callable[..., None]
THREE_FOLDERS = ("bounding_box_train", "query", "bounding_box_test")


def write_all(folder: Path, draw_images: DrawImages) -> None:
    """All datasets beside each other, one person in training and one in the test part of each."""
    for number, part in enumerate(THREE_FOLDERS):
        person = 1 if number == 0 else 2
        draw_images(folder, f"Market-1501-v15.09.15/{part}/{person:04d}_c{number + 1}s1_000451_03.jpg")
        draw_images(folder, f"DukeMTMC-reID/{part}/{person:04d}_c{number + 1}_f0046182.jpg")
        for boxes in ("detected", "labeled"):
            draw_images(folder, f"CUHK03-NP/{boxes}/{part}/{person:04d}_c{max(1, number)}_1.png")
    draw_images(folder, "randperson_subset/000000_s00_c00_f000264.jpg")
    for name, part, camera in (
        ("train", "train", 1),
        ("val", "train", 2),
        ("query", "test", 3),
        ("gallery", "test", 4),
    ):
        file = f"0000/0000_000_{camera:02d}_0303morning_0008_0.jpg"
        draw_images(folder, f"MSMT17_V1/{part}/{file}")
        (folder / "MSMT17_V1" / f"list_{name}.txt").write_text(f"{file} 0\n")
    draw_images(folder, "a.jpg")
    (folder / "detections.csv").write_text("file,person_id,camera_id,timestamp\na.jpg,p1,c1,1\n")


def test_every_dataset_is_found_by_its_name_in_one_folder_of_all(tmp_path: Path, draw_images: DrawImages) -> None:
    write_all(tmp_path, draw_images)
    found = {name: open_dataset(name, tmp_path) for name in DATASETS}
    assert {name: dataset.name for name, dataset in found.items()} == {
        "market1501": "Market-1501",
        "dukemtmc_reid": "DukeMTMC-reID",
        "msmt17": "MSMT17",
        "cuhk03_np_detected": "CUHK03-NP (detected)",
        "cuhk03_np_labelled": "CUHK03-NP (labeled)",
        "randperson": "RandPerson",
        "csv": tmp_path.name,
    }
    sizes = {name: (len(d.training), len(d.queries), len(d.gallery)) for name, d in found.items()}
    expected = dict.fromkeys(DATASETS, (1, 1, 1)) | {"msmt17": (2, 1, 1), "randperson": (1, 0, 0)}
    assert sizes == expected


def test_crops_go_to_other_processes(tmp_path: Path, draw_images: DrawImages) -> None:
    write_all(tmp_path, draw_images)
    for name in DATASETS:
        (crop, *_) = open_dataset(name, tmp_path).training
        assert pickle.loads(pickle.dumps(crop)).read_image().size == (2, 4)


def test_images_are_opened_only_when_asked_for(tmp_path: Path, draw_images: DrawImages) -> None:
    write_all(tmp_path, draw_images)
    dataset = open_dataset("market1501", tmp_path)
    Path(dataset.queries[0].source).write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"0002_c2s1_000451_03.jpg is not an image that can be read"):
        dataset.queries[0].read_image()


def test_an_unknown_name_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="'market' is no dataset: give one of market1501, dukemtmc_reid, msmt17, cuhk03_"
    ):
        open_dataset("market", tmp_path)


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in ("csv", "randperson")])
def test_an_empty_folder_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"is not a folder of .*: expected .*, but .* holds nothing"):
        open_dataset(name, tmp_path)
