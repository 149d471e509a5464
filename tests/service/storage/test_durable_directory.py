"""Directories and environments that are whole or not there; that they survive a loss of power, the trials say."""

from pathlib import Path

import lmdb
import pytest

from service.storage.durable_directory import make_directory, make_environment


def test_a_directory_is_made_with_those_above_it_and_may_be_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    make_directory(path)
    make_directory(path)
    assert path.stat().st_mode & 0o777 == 0o700


def test_a_new_environment_is_private_and_empty_and_opens_with_any_size(tmp_path: Path) -> None:
    path = tmp_path / "records"
    make_environment(path)
    assert path.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o600}
    with lmdb.open(str(path), map_size=2**30) as environment:
        assert environment.stat()["entries"] == 0
        assert environment.info()["map_size"] == 2**30


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "records"
    make_environment(path)
    with lmdb.open(str(path)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"key", b"value")
    make_environment(path)
    with lmdb.open(str(path)) as environment, environment.begin() as transaction:
        assert transaction.get(b"key") == b"value"


@pytest.mark.parametrize("content", [b"", b"\0" * 8192])
def test_what_was_not_finished_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    unfinished = tmp_path / "records.unfinished"
    unfinished.mkdir()
    (unfinished / "data.mdb").write_bytes(content)
    make_environment(tmp_path / "records")
    assert not unfinished.exists()
    with lmdb.open(str(tmp_path / "records")) as environment:
        assert environment.stat()["entries"] == 0
