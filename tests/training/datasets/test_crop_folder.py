import csv
from pathlib import Path

import pytest

from training.datasets.crop_folder import COLUMNS, read_crop_folder, write_crop_folder
from training.synthetic.network import SyntheticNetwork


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    crops = SyntheticNetwork(seed=1, num_people=2, num_cameras=2, start_time=1_800_000_000.0)[:5]
    assert write_crop_folder(tmp_path / "new", crops) == 5
    found = read_crop_folder(tmp_path / "new")
    for written, read in zip(crops, found, strict=True):
        assert read.read_image_bytes() == written.read_image_bytes()
        assert read.timestamp_seconds == pytest.approx(written.timestamp_seconds, abs=1e-6)
        assert (read.person_id, read.camera_id, read.track_id) == (
            written.person_id, written.camera_id, written.track_id,
        )  # fmt: skip


def test_the_manifest_has_the_columns_that_ingest_reads(tmp_path: Path) -> None:
    write_crop_folder(tmp_path, SyntheticNetwork(seed=1, num_people=1, num_cameras=1)[:1])
    with (tmp_path / "detections.csv").open() as stream:
        assert tuple(next(csv.reader(stream))) == COLUMNS


def test_a_folder_is_not_written_twice(tmp_path: Path) -> None:
    write_crop_folder(tmp_path, [])
    with pytest.raises(FileExistsError, match="give a new or empty folder"):
        write_crop_folder(tmp_path, [])


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "detections.csv").write_text("file,camera_id,timestamp\n")
    with pytest.raises(ValueError, match="lacks the columns track_id, person_id"):
        read_crop_folder(tmp_path)
