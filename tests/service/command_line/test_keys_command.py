import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.access.key_file import read_key_file
from service.access.key_ring import KeyRing
from service.access.scope import Scope
from service.main import main

KEY = re.compile(r"qaconv_[0-9a-f]{8}_[A-Za-z0-9_-]{43}\n")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key file of the variable."""
    path = tmp_path / "keys.json"
    monkeypatch.setenv("QACONV_API_KEYS_FILE", str(path))
    return path


@pytest.fixture
def keys(file: Path, capsys: pytest.CaptureFixture[str]) -> "Keys":
    return Keys(capsys)


class Keys:
    """`qaconv-service keys`; what it printed last stands in `out` and `err`."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def run(self, *arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(["keys", *arguments])
        self.out, self.err = self._capsys.readouterr()
        return int(caught.value.code or 0)

    def create(self, *arguments: str) -> str:
        assert self.run("create", "--name", "north", "--scope", "read", *arguments) == 0
        assert KEY.fullmatch(self.out)
        return self.out.strip()


def test_a_key_is_printed_once_and_kept_as_a_hash(keys: Keys, file: Path) -> None:
    key = keys.create("--scope", "ingest", "--requests-per-minute", "600", "--expires-in-days", "90")
    assert "shown this once" in keys.err
    assert key not in keys.err
    assert key.split("_", 2)[2] not in file.read_text()
    about = KeyRing.open(file).authenticate(key, datetime.now(UTC))
    assert (about.name, about.scopes, about.requests_per_minute) == ("north", {Scope.READ, Scope.INGEST}, 600)
    assert about.expires_at == about.created_at + timedelta(days=90)
    assert keys.run("list") == 0
    assert key.split("_", 2)[2] not in keys.out + keys.err


def test_the_list(keys: Keys) -> None:
    first = keys.create("--requests-per-minute", "600").split("_")[1]
    second = keys.create("--expires-in-days", "0").split("_")[1]
    assert keys.run("list") == 0
    rows = [line for line in keys.out.splitlines() if "north" in line]
    assert [row.split()[1] for row in rows] == [first, second]
    assert "600" in rows[0]
    assert "never" in rows[0]
    assert "any number" in rows[1]
    assert "(over)" in rows[1]
    assert keys.run("list", "--json") == 0
    listed = json.loads(keys.out)
    assert [key["key_id"] for key in listed] == [first, second]
    names = {"key_id", "name", "scopes", "camera_ids", "requests_per_minute", "created_at", "expires_at"}
    assert all(set(key) == names for key in listed)


def test_a_key_that_is_limited_to_cameras(keys: Keys, file: Path) -> None:
    key = keys.create("--camera", "north:1", "--camera", "gate")
    assert "good for read of gate, north:1" in keys.err
    assert keys.run("rotate", key.split("_")[1]) == 0
    assert [each.description.camera_ids for each in read_key_file(file).keys] == [frozenset({"gate", "north:1"})] * 2
    assert keys.run("list") == 0
    assert keys.out.count("gate, north:1") == 2
    assert keys.run("list", "--json") == 0
    assert [each["camera_ids"] for each in json.loads(keys.out)] == [["gate", "north:1"]] * 2


def test_cameras_that_no_key_can_be_limited_to(keys: Keys, file: Path) -> None:
    assert keys.run("create", "--name", "north", "--scope", "read", "--camera", "north gate") == 2
    assert "--camera is 'north gate'" in keys.err
    assert keys.run("create", "--name", "north", "--scope", "read", "--scope", "admin", "--camera", "north") == 2
    assert "erases for all cameras" in keys.err
    assert not file.exists()


def test_a_key_is_revoked(keys: Keys, file: Path) -> None:
    gone, stays = keys.create().split("_")[1], keys.create().split("_")[1]
    assert keys.run("revoke", gone) == 0
    assert gone in keys.err
    assert [key.description.key_id for key in read_key_file(file).keys] == [stays]
    assert keys.run("revoke", gone) == 2
    assert "keys list" in keys.err


def test_a_key_is_replaced(keys: Keys, file: Path) -> None:
    old = keys.create("--scope", "admin", "--requests-per-minute", "7", "--expires-in-days", "10")
    old_id = old.split("_")[1]
    assert keys.run("rotate", old_id) == 0
    assert KEY.fullmatch(keys.out)
    new = keys.out.strip()
    first, second = (key.description for key in read_key_file(file).keys)
    assert (first.key_id, second.key_id) == (old_id, new.split("_")[1])
    assert (second.name, second.scopes, second.requests_per_minute) == ("north", {Scope.READ, Scope.ADMIN}, 7)
    assert second.expires_at == second.created_at + timedelta(days=10)
    ring = KeyRing.open(file)
    assert ring.authenticate(old, datetime.now(UTC))
    assert ring.authenticate(new, datetime.now(UTC))


def test_the_old_key_ends_after_the_overlap_and_not_later_than_before(keys: Keys, file: Path) -> None:
    forever, short = keys.create().split("_")[1], keys.create("--expires-in-days", "1").split("_")[1]
    before = {key.description.key_id: key.description for key in read_key_file(file).keys}
    began = datetime.now(UTC)
    for key_id in (forever, short):
        assert keys.run("rotate", key_id, "--overlap-hours", "48") == 0
    after = {key.description.key_id: key.description for key in read_key_file(file).keys}
    ends = after[forever].expires_at
    assert ends is not None
    assert abs(ends - began - timedelta(hours=48)) < timedelta(minutes=1)
    assert after[short].expires_at == before[short].expires_at


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["create", "--name", "north"], "--scope"),
        (["create", "--scope", "read"], "--name"),
        (["create", "--name", "north", "--scope", "everything"], "everything"),
        (["create", "--name", "", "--scope", "read"], "--name is ''"),
        (["create", "--name", "a\nb", "--scope", "read"], "printable"),
        (["create", "--name", "x" * 101, "--scope", "read"], "at most 100"),
        (["create", "--name", "north", "--scope", "read", "--requests-per-minute", "0"], "--requests-per-minute"),
        (["create", "--name", "north", "--scope", "read", "--expires-in-days", "-1"], "--expires-in-days"),
        (["create", "--name", "north", "--scope", "read", "--expires-in-days", "1e12"], "year 10000"),
        (["create", "--name", "north", "--scope", "read", "--expires-in-days", "nan"], "--expires-in-days"),
        (["revoke"], "KEY_ID"),
    ],
)
def test_what_is_asked_for_wrongly(keys: Keys, file: Path, arguments: list[str], reason: str) -> None:
    assert keys.run(*arguments) == 2
    assert reason in keys.err
    assert keys.out == ""
    assert not file.exists()


def test_a_file_that_cannot_be_used_is_one_line(keys: Keys, file: Path) -> None:
    for command in (["list"], ["revoke", "0123abcd"], ["rotate", "0123abcd"]):
        assert keys.run(*command) == 1
        assert (
            keys.err
            == f"qaconv-service: the key file {file} is not there: make one with `qaconv-service keys create`\n"
        )
    file.write_text("text")
    file.chmod(0o600)
    assert keys.run("create", "--name", "north", "--scope", "read") == 1
    assert "is no JSON" in keys.err
    assert file.read_text() == "text"


def test_a_key_typed_for_its_id_is_not_repeated(keys: Keys) -> None:
    key = keys.create()
    assert keys.run("revoke", key) == 2
    assert key not in keys.err


def test_standard_output_has_the_key_alone(file: Path) -> None:
    command = [sys.executable, "-m", "service.main", "keys", "create", "--name", "north", "--scope", "read"]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert KEY.fullmatch(made.stdout)
    assert made.stdout not in made.stderr
    assert len(read_key_file(file).keys) == 1
