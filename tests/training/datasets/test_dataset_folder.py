from pathlib import Path

import pytest

from training.datasets.dataset_folder import find_dataset_folder, list_entries

EXPECTED = ("query", "list.txt")


def make(folder: Path) -> None:
    (folder / "query").mkdir(parents=True)
    (folder / "list.txt").touch()


def find(folder: Path) -> Path:
    return find_dataset_folder("Some-Set", folder, (".", "A", "B"), EXPECTED)


def test_the_folder_itself_and_the_one_that_holds_it_will_do(tmp_path: Path) -> None:
    make(tmp_path / "A")
    assert find(tmp_path) == tmp_path / "A"
    assert find(tmp_path / "A") == tmp_path / "A"


def test_two_places_are_not_chosen_between(tmp_path: Path) -> None:
    make(tmp_path / "A")
    make(tmp_path / "B")
    with pytest.raises(ValueError, match=r"holds more than one: give one of .*A, .*B$"):
        find(tmp_path)


def test_what_was_expected_where_and_what_is_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "A" / "query").mkdir(parents=True)
    with pytest.raises(ValueError, match="is not a folder of") as caught:
        find(tmp_path)
    a, b = tmp_path / "A", tmp_path / "B"
    assert str(caught.value) == (
        f"{tmp_path} is not a folder of Some-Set: expected query, list.txt in {tmp_path} or {a} or {b}, "
        f"but {tmp_path} holds A; {a} holds query"
    )


def test_a_folder_that_is_not_there_is_told_from_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none is not there: give the folder of Some-Set"):
        find(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is not a folder: give the folder of Some-Set"):
        find(tmp_path / "file")


def test_long_lists_of_entries_are_cut(tmp_path: Path) -> None:
    assert list_entries(tmp_path) == "nothing"
    for number in range(10):
        (tmp_path / f"{number}").touch()
    assert list_entries(tmp_path) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
