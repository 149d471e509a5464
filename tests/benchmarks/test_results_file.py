import re
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.machine import hardware_name
from benchmarks.results_file import Plot, Point, Results, Section, Spread, number, table, write_results


def test_a_file_is_named_after_theme_hardware_and_date_and_tells_them(tmp_path: Path) -> None:
    plot = Plot("by-size", "Cost", "detections", "ms", {"one": [Point(1000, 2.0, 1.5, 3.0), Point(1_000_000, 900.0)]})
    results = Results(
        "a-theme", "A title", "An introduction.", {"threads": "2"}, [Section("First", table(["a"], [["1"]]))], [plot]
    )
    path = write_results(results, tmp_path / "new", "a-machine")
    assert re.fullmatch(r"a-theme_a-machine_\d{4}-\d\d-\d\d\.md", path.name)
    text = path.read_text()
    assert text.startswith("# A title\n\nAn introduction.\n\n")
    assert "| threads | 2 |\n" in text
    assert f"![Cost]({path.stem}_by-size.png)\n\n## First\n\n| a |\n| --- |\n| 1 |\n" in text
    with Image.open(path.with_name(f"{path.stem}_by-size.png")) as picture:
        assert picture.size == (880, 550)


def test_a_short_run_says_first_that_it_means_nothing(tmp_path: Path) -> None:
    results = Results("theme", "Title", "Introduction.", {}, [], means_something=False)
    lines = write_results(results, tmp_path, "machine").read_text().splitlines()
    assert lines[2] == "Tiny sizes: these figures mean nothing."


def test_the_middle_of_repeats_and_their_range() -> None:
    assert str(Spread.of([12.0, 3.0, 4000.0])) == "12.0 (3.00 to 4,000)"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (0.01234, "0.0123"), (1.234, "1.23"), (99.94, "99.9"), (12345.6, "12,346"), (1.3e7, "1.3e+07")],
)
def test_three_digits_count(value: float, written: str) -> None:
    assert number(value) == written


def test_the_hardware_can_be_part_of_a_file_name() -> None:
    assert re.fullmatch(r"[a-z0-9-]+-\d+-cores", hardware_name())
