from collections.abc import Callable
from pathlib import Path

import pytest

from training.datasets.cuhk03_np import FOLDER_NAME, Boxes, read_cuhk03_np

DrawImages = Callable[..., None]


@pytest.fixture
def folder(tmp_path: Path, draw_images: DrawImages) -> Path:
    for boxes, number in (("detected", 1), ("labeled", 2)):
        draw_images(
            tmp_path / FOLDER_NAME / boxes,
            f"bounding_box_train/0001_c1_{number}.png",
            f"query/0003_c1_{number}_10.png",
            f"bounding_box_test/0003_c2_{number}.jpg",
        )
    return tmp_path / FOLDER_NAME


@pytest.mark.parametrize(("boxes", "number"), [(Boxes.DETECTED, 1), (Boxes.LABELLED, 2)])
@pytest.mark.parametrize("given", ["..", ".", "itself"])
def test_the_boxes_that_are_asked_for_are_read(folder: Path, boxes: Boxes, number: int, given: str) -> None:
    found = read_cuhk03_np(folder / (boxes if given == "itself" else given), boxes)
    assert (found.name, found.has_times) == (f"CUHK03-NP ({boxes})", False)
    (training,), (query,), (gallery,) = found.training, found.queries, found.gallery
    assert Path(training.source).name == f"0001_c1_{number}.png"
    assert (query.person_id, query.camera_id, query.track_id) == ("0003", "c1", "0003_c1")
    assert (gallery.person_id, gallery.camera_id, gallery.timestamp_seconds) == ("0003", "c2", 0.0)
    assert query.read_image().size == (2, 4)


def test_the_other_boxes_are_not_taken_for_those_asked_for(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"not a folder of CUHK03-NP \(labeled\): .* in .*detected/labeled or"):
        read_cuhk03_np(folder / "detected", Boxes.LABELLED)


def test_a_third_camera_is_told(folder: Path, draw_images: DrawImages) -> None:
    draw_images(folder, "detected/query/0003_c3_1.png")
    with pytest.raises(ValueError, match=r"the first 0003_c3_1.png; expected names such as 0001_c1_1.png"):
        read_cuhk03_np(folder, Boxes.DETECTED)
