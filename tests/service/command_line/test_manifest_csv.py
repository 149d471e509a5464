from pathlib import Path

import pytest

from service.command_line.command_error import USAGE, CommandError
from service.command_line.detection_file import DetectionFile
from service.command_line.manifest_csv import read_manifest

HEADER = "file,camera_id,timestamp\n"


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    """A CSV, and the files that rows of these tests name."""
    path = folder / "crops.csv"
    for name in ("a.jpg", "b.jpg", "a, b.jpg", "in/a.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    path.write_bytes(text.encode(encoding))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CommandError) as caught:
        read_manifest(path)
    assert caught.value.exit_status == USAGE
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_all_columns(tmp_path: Path) -> None:
    text = "detection_id,file,person_id,camera_id,track_id,timestamp\nid-1,in/a.jpg,p1,c1,t1,2026-11-20T10:00:00Z\n"
    expected = DetectionFile("in/a.jpg", tmp_path / "in/a.jpg", "id-1", "c1", "2026-11-20T10:00:00Z", "t1", "p1")
    assert read_manifest(written(tmp_path, text)) == [expected]


def test_the_necessary_columns_alone(tmp_path: Path) -> None:
    detections = read_manifest(written(tmp_path, "file,camera_id,timestamp_seconds\na.jpg,c1,1.000001\nb.jpg,c2,2\n"))
    assert detections == [
        DetectionFile("a.jpg", tmp_path / "a.jpg", "a", "c1", "1.000001"),
        DetectionFile("b.jpg", tmp_path / "b.jpg", "b", "c2", "2"),
    ]


def test_empty_optional_cells_are_not_given(tmp_path: Path) -> None:
    text = "file,camera_id,timestamp,track_id,person_id,detection_id\na.jpg,c1,1,,,\n"
    assert read_manifest(written(tmp_path, text)) == [DetectionFile("a.jpg", tmp_path / "a.jpg", "a", "c1", "1")]


def test_what_a_spreadsheet_writes(tmp_path: Path) -> None:
    path = written(tmp_path, 'file,camera_id,timestamp\r\n"a, b.jpg", c1 ,1\r\n', encoding="utf-8-sig")
    assert read_manifest(path) == [DetectionFile("a, b.jpg", tmp_path / "a, b.jpg", "a__b", "c1", "1")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lacks file, lacks camera_id, lacks timestamp"),
        ("file,camera_id\na.jpg,c1\n", "lacks timestamp"),
        ("file,camera_id,timestamp,timestamp_seconds\na.jpg,c1,1,1\n", "says something twice"),
        ("file,camera_id,timestamp,file\na.jpg,c1,1,b.jpg\n", "says something twice"),
        ("file,camera_id,timestamp,colour\na.jpg,c1,1,red\n", "has 'colour', which is not known"),
        (HEADER, "lists no detections"),
        (HEADER + "a.jpg,c1,1\nb.jpg,c1\n", "line 3: the header has 3 columns"),
        (HEADER + "a.jpg,c1,1,x\n", "line 2: the header has 3 columns"),
        (HEADER + "a.jpg, ,1\n", "line 2: camera_id is empty"),
        (HEADER + "a.jpg,c1,\n", "line 2: timestamp is empty"),
        (HEADER + "a.jpg,gate 1,1\n", "line 2: camera_id is 'gate 1': an ID has 1 to 128"),
        (HEADER + "a.jpg,c1,noon\n", "line 2: timestamp: 'noon' is not a time"),
        (HEADER + "a.jpg,c1,1790000000000\n", "looks like milliseconds"),
        (HEADER + "gone.jpg,c1,1\n", "line 2: the file gone.jpg is not there"),
        (HEADER + 'a.jpg,"c1,1\n', "cannot be read as a CSV"),
    ],
)
def test_anything_else_is_refused_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in refusal(written(tmp_path, text))


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    assert "in UTF-8" in refusal(written(tmp_path, HEADER + "Zürich.jpg,c1,1\n", encoding="latin-1"))


def test_all_rows_are_looked_at_and_the_first_faults_named(tmp_path: Path) -> None:
    told = refusal(written(tmp_path, HEADER + "a.jpg,c1,1\n" + "gone.jpg,c 1,noon\n" * 5 + "b.jpg,c1\n")).splitlines()
    assert told[0].endswith("has rows that cannot be ingested, so nothing was sent:")
    assert len(told) == 1 + 10 + 1
    assert told[1] == "  line 3: the file gone.jpg is not there"
    assert told[-1] == "  and 6 more"
