from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from training.datasets.crop_folder import find_manifest, read_manifest
from training.main import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["synthesise", *map(str, arguments), "--people", "1", "--cameras", "1"])


@pytest.mark.parametrize("start_time", ["nan", "inf", "-50", "1e300"])
def test_times_that_no_manifest_may_have_are_refused(start_time: str, tmp_path: Path) -> None:
    result = run(tmp_path / "crops", "--start-time", start_time)
    assert result.exit_code == 2
    assert "from 1970 to before 2190" in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "crops").exists()


def test_the_earliest_time_can_be_read_again(tmp_path: Path) -> None:
    assert run(tmp_path / "crops", "--start-time", "0").exit_code == 0
    assert {row.crop.person_id for row in read_manifest(find_manifest(tmp_path / "crops"))} == {"person-0000"}


def test_a_place_that_is_no_folder_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is a file: give a new or empty folder" in " ".join(run(tmp_path / "file").stderr.replace("│", " ").split())
    result = run(tmp_path / "file" / "crops")
    assert result.exit_code == 1
    (told,) = result.stderr.splitlines()
    assert told.startswith("qaconv-training: ")
    assert "Not a directory" in told
