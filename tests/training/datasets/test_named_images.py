import re
from pathlib import Path

import pytest

from training.datasets.named_images import NamePattern, list_named_images, parse_image_name

NAMES = NamePattern(re.compile(r"(?P<person>\d+)\.jpg"), example="12.jpg")


def test_images_are_listed_by_name_and_other_files_passed_over(tmp_path: Path) -> None:
    for name in ("7.jpg", "12.jpg", "Thumbs.db", "._12.jpg", "readme.txt"):
        (tmp_path / name).touch()
    assert [image.fields["person"] for image in list_named_images(tmp_path, NAMES)] == ["12", "7"]


def test_strange_names_are_counted_and_the_first_told(tmp_path: Path) -> None:
    for name in ("1.jpg", "b.jpg", "a.PNG"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="not understood") as caught:
        list_named_images(tmp_path, NAMES)
    assert str(caught.value) == (
        f"2 of 3 images in {tmp_path} have names that are not understood, the first a.PNG; "
        "expected names such as 12.jpg"
    )
    with pytest.raises(ValueError, match=r"the name of b\.jpg is not understood; expected one such as 12\.jpg"):
        parse_image_name(Path("b.jpg"), NAMES)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    with pytest.raises(ValueError, match=r"holds no images; expected names such as 12\.jpg, found inner"):
        list_named_images(tmp_path, NAMES)
