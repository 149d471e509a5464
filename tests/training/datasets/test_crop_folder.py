import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from training.datasets.crop_folder import COLUMNS, find_manifest, read_manifest, write_crop_folder
from training.datasets.labelled_crop import LabelledCrop
from training.synthetic.network import SyntheticNetwork


def read_crop_folder(folder: Path) -> list[LabelledCrop]:
    return [row.crop for row in read_manifest(find_manifest(folder))]


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
    with pytest.raises(ValueError, match="lacks the columns person_id; add person_id: who is seen"):
        read_crop_folder(tmp_path)


def write_manifest(folder: Path, text: str, image: bytes = b"no image") -> None:
    (folder / "detections.csv").write_text(text)
    (folder / "a.jpg").write_bytes(image)


@pytest.mark.parametrize(
    "written",
    ["1795168800.25", "2026-11-20T10:00:00.250Z", "2026-11-20t10:00:00.25z", "2026-11-20 12:00:00.2500000+02:00"],
)
def test_times_are_those_that_ingest_takes_and_a_track_is_optional(tmp_path: Path, written: str) -> None:
    write_manifest(tmp_path, f"\ufefffile,camera_id,timestamp,person_id,note\na.jpg,c1,{written},p1,x\n")
    (crop,) = read_crop_folder(tmp_path)
    assert crop.timestamp_seconds == datetime(2026, 11, 20, 10, 0, 0, 250_000, tzinfo=UTC).timestamp()
    assert crop.track_id == "a.jpg"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("a.jpg,c1,1,", "person_id is empty; expected who is seen"),
        ("a.jpg,c1,1", "person_id is empty; expected who is seen"),
        (",c1,1,p1", "file is empty; expected the name of an image"),
        ("b.jpg,c1,1,p1", "file: 'b.jpg' is not there; expected the name of an image"),
        ("a.jpg,c1,noon,p1", "timestamp: 'noon': not a time; expected RFC 3339 with an offset"),
        ("a.jpg,c1,2026-11-20T10:00:00,p1", "timestamp: '2026-11-20T10:00:00': not a time; expected RFC 3339"),
        ("a.jpg,c1,2026-11-31T10:00:00Z,p1", "timestamp: '2026-11-31T10:00:00Z': day "),
        ("a.jpg,c1,1795168800000,p1", "timestamp: '1795168800000': not from 1970 to before 2200; expected RFC"),
        ("a.jpg,c1,nan,p1", "timestamp: 'nan': not a time"),
    ],
)
def test_a_mistake_is_told_with_file_row_column_value_and_what_is_expected(tmp_path: Path, row: str, told: str) -> None:
    write_manifest(tmp_path, f"file,camera_id,timestamp,person_id\na.jpg,c1,0,p0\n{row}\n")
    with pytest.raises(ValueError, match="line 3") as caught:
        read_crop_folder(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'detections.csv'}, line 3: {told}")


def test_a_manifest_without_rows_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, "file,camera_id,timestamp,person_id\n")
    with pytest.raises(ValueError, match="lists no crops"):
        read_crop_folder(tmp_path)


def test_images_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    whole = SyntheticNetwork(seed=1, num_people=1, num_cameras=1)[0].read_image_bytes()
    for image, told in ((b"no image", "a.jpg is not an image"), (whole[:-200], "a.jpg is a damaged image")):
        write_manifest(tmp_path, "file,camera_id,timestamp,person_id\na.jpg,c1,0,p0\n", image)
        with pytest.raises(ValueError, match=told):
            read_crop_folder(tmp_path)[0].read_image()
