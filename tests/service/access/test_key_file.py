import json
import multiprocessing
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.access.api_key import ApiKey, create_key
from service.access.key_file import KeyFileError, edit_key_file, read_key_file
from service.access.scope import Scope

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
STORED = {
    "key_id": "0123abcd",
    "name": "north",
    "scopes": ["ingest", "read"],
    "secret_sha256": "5e" * 32,
    "requests_per_minute": 600,
    "created_at": "2026-11-20T10:00:00Z",
    "expires_at": None,
}


def new_key(name: str = "north") -> ApiKey:
    return create_key(name, frozenset({Scope.READ, Scope.ADMIN}), NOW, requests_per_minute=7, expires_at=NOW)[1]


def write(path: Path, *keys: dict[str, Any], **members: object) -> Path:
    path.write_text(json.dumps({"version": 1, "keys": list(keys)} | members))
    path.chmod(0o600)
    return path


def add(path: Path, key: ApiKey) -> None:
    with edit_key_file(path, may_be_new=True) as edited:
        edited.keys.append(key)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path, keys = tmp_path / "keys.json", (new_key(), new_key("south"))
    for key in keys:
        add(path, key)
    assert read_key_file(path).keys == keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["keys.json", "keys.json.lock"]


def test_the_form_of_the_file(tmp_path: Path) -> None:
    (key,) = read_key_file(write(tmp_path / "keys.json", STORED)).keys
    about = key.description
    assert (about.key_id, about.name, about.scopes) == ("0123abcd", "north", {Scope.INGEST, Scope.READ})
    assert (about.requests_per_minute, about.created_at, about.expires_at) == (600, NOW, None)
    assert key.secret_sha256 == b"\x5e" * 32


def test_keys_that_are_limited_to_cameras(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.json", STORED | {"camera_ids": ["gate", "north"]})
    assert [key.description.camera_ids for key in read_key_file(path).keys] == [frozenset({"gate", "north"})]
    for cameras, message in (([], "at least 1"), (["no id"], "pattern"), ("gate", "array")):
        with pytest.raises(KeyFileError, match=message):
            read_key_file(write(path, STORED | {"camera_ids": cameras}))
    with pytest.raises(KeyFileError, match="erases for all cameras"):
        read_key_file(write(path, STORED | {"camera_ids": ["gate"], "scopes": ["admin"]}))


def test_an_edit_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    add(path, new_key())
    before = path.read_bytes()
    with pytest.raises(AttributeError), edit_key_file(path) as edited:
        edited.keys.clear().nothing()
    assert path.read_bytes() == before
    with pytest.raises(KeyFileError, match="twice"), edit_key_file(path) as edited:
        edited.keys.append(edited.keys[0])
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_an_edit_keeps_the_mode_and_follows_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "keys.json", tmp_path / "link"
    add(path, new_key())
    path.chmod(0o640)
    link.symlink_to(path)
    add(link, new_key("south"))
    assert link.is_symlink()
    assert len(read_key_file(path).keys) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def add_many(path: Path, name: str) -> None:
    for number in range(10):
        add(path, new_key(f"{name} {number}"))


def test_edits_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=add_many, args=(path, name)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    names = {key.description.name for key in read_key_file(path).keys}
    assert names == {f"{name} {number}" for name in "abcd" for number in range(10)}


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"version": 2}, "version"),
        ({"more": 1}, "more"),
        ({"keys": None}, "keys"),
        ({"keys": [{**STORED, "scopes": []}]}, r"keys\.0\.scopes"),
        ({"keys": [{**STORED, "scopes": ["all"]}]}, r"keys\.0\.scopes"),
        ({"keys": [{**STORED, "secret_sha256": "5E" * 32}]}, r"keys\.0\.secret_sha256"),
        ({"keys": [{**STORED, "secret": "x"}]}, r"keys\.0\.secret"),
        ({"keys": [{**STORED, "key_id": "0123ABCD"}]}, r"keys\.0\.key_id"),
        ({"keys": [{**STORED, "name": "a\nb"}]}, r"keys\.0\.name"),
        ({"keys": [{**STORED, "requests_per_minute": 0}]}, r"keys\.0\.requests_per_minute"),
        ({"keys": [{**STORED, "requests_per_minute": "6"}]}, r"keys\.0\.requests_per_minute"),
        ({"keys": [{**STORED, "created_at": "2026-11-20T10:00:00"}]}, r"keys\.0\.created_at"),
        ({"keys": [{**STORED, "expires_at": 1}]}, r"keys\.0\.expires_at"),
        ({"keys": [{key: value for key, value in STORED.items() if key != "expires_at"}]}, r"keys\.0\.expires_at"),
        ({"keys": [STORED, STORED]}, "0123abcd twice"),
    ],
)
def test_what_is_damaged_is_named_and_not_quoted(tmp_path: Path, members: dict[str, Any], reason: str) -> None:
    path = write(tmp_path / "keys.json", **members)
    with pytest.raises(KeyFileError, match=reason) as caught:
        read_key_file(path)
    assert str(path) in str(caught.value)
    assert "5e5e" not in str(caught.value).lower()


@pytest.mark.parametrize(
    "content", ["", "{", "[" * 100_000, '{"version": 1, "version": 1, "keys": []}', "\x00", "null"]
)
def test_what_is_no_json_of_that_kind(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="key file"):
        read_key_file(path)


def test_a_file_that_is_not_there_or_none(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"is not there: .*qaconv-service keys create"):
        read_key_file(tmp_path / "keys.json")
    with pytest.raises(KeyFileError, match="is not there"), edit_key_file(tmp_path / "keys.json"):
        pass
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_key_file(tmp_path)
    with (
        pytest.raises(KeyFileError, match=r"cannot be written: No such file"),
        edit_key_file(tmp_path / "no" / "keys.json", may_be_new=True),
    ):
        pass
    large = tmp_path / "large"
    large.write_bytes(b" " * (2**20 + 1))
    large.chmod(0o600)
    with pytest.raises(KeyFileError, match="at most 1048576"):
        read_key_file(large)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "keys.json", STORED)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:04o}.*chmod 600"):
        read_key_file(path)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o444, 0o644])
def test_a_secret_that_a_container_mounts_is_taken(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "keys.json", STORED)
    path.chmod(mode)
    assert len(read_key_file(path).keys) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.json", STORED)
    path.chmod(0)
    with pytest.raises(KeyFileError, match="Permission denied"):
        read_key_file(path)
