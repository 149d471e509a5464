from pathlib import Path

import pytest

from service.command_line.command_error import USAGE, CommandError
from service.command_line.search_request import search_form


def test_an_image_and_the_fields_that_were_given(tmp_path: Path) -> None:
    image = tmp_path / "query.jpg"
    image.write_bytes(b"pixels")
    form = search_form(image, None, {"camera_id": "c1", "timestamp": None, "camera_ids": ["c2", "c3"], "limit": "5"})
    assert form == [
        ("camera_id", (None, b"c1")),
        ("camera_ids", (None, b"c2")),
        ("camera_ids", (None, b"c3")),
        ("limit", (None, b"5")),
        ("image", ("query.jpg", b"pixels")),
    ]


def test_a_stored_detection(tmp_path: Path) -> None:
    assert search_form(None, "d1", {"exclude_camera_ids": []}) == [("detection_id", (None, b"d1"))]


@pytest.mark.parametrize(("image", "detection_id"), [(None, None), (Path("query.jpg"), "d1")])
def test_exactly_one_query_is_wanted(image: Path | None, detection_id: str | None) -> None:
    with pytest.raises(CommandError, match="either an IMAGE or --detection-id") as caught:
        search_form(image, detection_id, {})
    assert caught.value.exit_status == USAGE


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"query\.jpg cannot be read: No such file"):
        search_form(tmp_path / "query.jpg", None, {})
