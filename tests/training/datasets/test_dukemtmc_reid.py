from collections.abc import Callable
from pathlib import Path

import pytest

from training.datasets.dukemtmc_reid import FOLDER_NAME, read_dukemtmc_reid

DrawImages = Callable[..., None]


@pytest.fixture
def folder(tmp_path: Path, draw_images: DrawImages) -> Path:
    draw_images(
        tmp_path / FOLDER_NAME,
        "bounding_box_train/0001_c2_f0046182.jpg",
        "query/0005_c1_f0000452.jpg",
        "bounding_box_test/0005_c5_f0005994.jpg",
        "bounding_box_test/0006_c8_f0000001.jpg",
    )
    return tmp_path / FOLDER_NAME


def test_parts_persons_and_cameras_are_those_of_folders_and_names(folder: Path) -> None:
    found = read_dukemtmc_reid(folder.parent)
    assert (found.name, found.has_times) == ("DukeMTMC-reID", True)
    parts = (found.training, found.queries, found.gallery)
    assert [[(crop.person_id, crop.camera_id, crop.track_id) for crop in part] for part in parts] == [
        [("0001", "c2", "0001_c2")],
        [("0005", "c1", "0005_c1")],
        [("0005", "c5", "0005_c5"), ("0006", "c8", "0006_c8")],
    ]


def test_cameras_share_a_clock_of_59_94_frames_a_second(folder: Path) -> None:
    found = read_dukemtmc_reid(folder)
    # Camera 5 began first. Camera 1 began 5542 frames later: its frame 452 is frame 5994 of the clock, after 100 s.
    assert found.queries[0].timestamp_seconds == pytest.approx(100.0, abs=1e-9)
    assert found.gallery[0].timestamp_seconds == pytest.approx(100.0, abs=1e-9)
    assert found.gallery[1].timestamp_seconds == pytest.approx(46766 / 59.94, abs=1e-9)
    assert found.training[0].timestamp_seconds == pytest.approx(830.6306, abs=1e-4)  # (3606 + 46182) / 59.94


def test_that_it_was_withdrawn_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_dukemtmc_reid(folder)
    assert caplog.messages[0].startswith("DukeMTMC-reID was withdrawn by its authors in 2019")


def test_a_ninth_camera_is_told(folder: Path, draw_images: DrawImages) -> None:
    draw_images(folder, "query/0005_c9_f0000001.jpg")
    with pytest.raises(
        ValueError, match=r"1 of 2 images in .*query have names .* 0005_c9_f0000001.jpg; expected names"
    ):
        read_dukemtmc_reid(folder)
