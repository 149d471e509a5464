import asyncio
import hmac
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.access.api_key import KeyDescription, create_key
from service.access.key_file import KeyFileError, edit_key_file
from service.access.key_ring import KeyRing, log_key_change, open_key_ring
from service.access.scope import Scope
from service.errors import Unauthenticated
from service.settings import Settings

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    with edit_key_file(path, may_be_new=True):
        pass
    return path


def add(path: Path, name: str = "north", expires_at: datetime | None = None) -> str:
    text, key = create_key(name, frozenset({Scope.READ}), NOW, expires_at=expires_at)
    with edit_key_file(path) as edited:
        edited.keys.append(key)
    return text


def revoke(path: Path, text: str) -> None:
    with edit_key_file(path) as edited:
        edited.keys = [key for key in edited.keys if key.description.key_id != text.split("_")[1]]


def test_a_key_is_known_by_its_secret(path: Path) -> None:
    text = add(path)
    ring = KeyRing.open(path)
    assert ring.authenticate(text, NOW).name == "north"
    other = add(path, "south")
    for wrong in (text[:-1] + ("A" if text[-1] != "A" else "B"), other, "nonsense", "", text + "A"):
        with pytest.raises(Unauthenticated) as caught:
            ring.authenticate(wrong, NOW)
        assert not wrong or wrong not in caught.value.detail


def test_whoever_has_no_key_does_not_learn_which_ids_there_are(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = add(path)
    ring = KeyRing.open(path)
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def note(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return compare(left, right)

    monkeypatch.setattr(hmac, "compare_digest", note)
    details = set()
    for wrong in (text[:-1] + ("A" if text[-1] != "A" else "B"), f"qaconv_{'0' * 8}_{'a' * 43}"):
        with pytest.raises(Unauthenticated) as caught:
            ring.authenticate(wrong, NOW)
        details.add(caught.value.detail)
    assert len(details) == 1
    assert [tuple(map(len, pair)) for pair in compared] == [(32, 32), (32, 32)]


def test_a_key_that_has_expired(path: Path) -> None:
    text = add(path, expires_at=NOW + timedelta(days=1))
    ring = KeyRing.open(path)
    assert ring.authenticate(text, NOW)
    with pytest.raises(Unauthenticated, match="has expired at 2026-11-21T10:00:00Z"):
        ring.authenticate(text, NOW + timedelta(days=1))


def test_the_file_is_read_again_when_it_changes(path: Path) -> None:
    first = add(path)
    ring = KeyRing.open(path)
    second = add(path, "south")
    ring.refresh()
    assert [key.name for key in ring.descriptions] == ["north", "south"]
    revoke(path, first)
    ring.refresh()
    with pytest.raises(Unauthenticated):
        ring.authenticate(first, NOW)
    assert ring.authenticate(second, NOW).name == "south"


def test_a_mounted_secret_is_read_again_when_its_link_is_turned(path: Path, tmp_path: Path) -> None:
    # As an orchestrator renews a secret: new files in a new directory, and then a link that leads there.
    first = add(path)
    mounted, turned = tmp_path / "mounted", tmp_path / "turned"
    mounted.symlink_to(path)
    ring = KeyRing.open(mounted)
    second_path = tmp_path / "second.json"
    with edit_key_file(second_path, may_be_new=True):
        pass
    second = add(second_path)
    second_path.chmod(0o444)
    turned.symlink_to(second_path)
    turned.replace(mounted)
    ring.refresh()
    assert ring.authenticate(second, NOW)
    with pytest.raises(Unauthenticated):
        ring.authenticate(first, NOW)


@pytest.mark.parametrize("damage", ["text", "missing", "mode", "directory"])
def test_a_damaged_file_changes_nothing_and_is_told_once(
    path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    text = add(path)
    good = path.read_bytes()
    ring = KeyRing.open(path)
    if damage == "mode":
        path.chmod(0o666)
    else:
        path.unlink()
    if damage == "text":
        path.write_text(good.decode()[:-20])
        path.chmod(0o600)
    elif damage == "directory":
        path.mkdir()
    for _ in range(3):
        ring.refresh()
    assert ring.authenticate(text, NOW)
    assert ring.problem is not None
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert str(path) in errors[0]
    assert "1 keys read before stay in use" in errors[0]
    if damage == "directory":
        path.rmdir()
    path.write_bytes(good)
    path.chmod(0o600)
    revoke(path, text)
    ring.refresh()
    assert ring.problem is None
    assert ring.descriptions == ()


@pytest.mark.anyio
async def test_changes_are_told_until_they_are_taken(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = add(path)
    ring = KeyRing.open(path)
    told: list[tuple[list[str] | None, list[str]]] = []
    failures = [OSError("the disk is full")]
    is_told = asyncio.Event()

    async def on_change(before: Sequence[KeyDescription] | None, after: Sequence[KeyDescription]) -> None:
        if failures:
            raise failures.pop()
        told.append((None if before is None else [key.name for key in before], [key.name for key in after]))
        is_told.set()

    watch = asyncio.create_task(ring.watch(on_change, interval_seconds=0.01))
    async with asyncio.timeout(10):
        await is_told.wait()
        is_told.clear()
        add(path, "south")
        await is_told.wait()
        is_told.clear()
        revoke(path, first)
        await is_told.wait()
    watch.cancel()
    await asyncio.wait([watch])
    assert told == [(None, ["north"]), (["north"], ["north", "south"]), (["north", "south"], ["south"])]
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == 1


@pytest.mark.anyio
async def test_an_empty_ring_is_told_too(path: Path) -> None:
    told = asyncio.Event()

    async def on_change(before: Sequence[KeyDescription] | None, after: Sequence[KeyDescription]) -> None:
        assert (before, after) == (None, ())
        told.set()

    watch = asyncio.create_task(KeyRing.open(path).watch(on_change, interval_seconds=60))
    async with asyncio.timeout(10):
        await told.wait()
    watch.cancel()


@pytest.mark.anyio
async def test_the_log_names_keys_and_holds_no_secret(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    text = add(path)
    before = KeyRing.open(path).descriptions
    await log_key_change(None, before)
    await log_key_change(before, ())
    key_id = text.split("_")[1]
    assert [record.getMessage() for record in caplog.records] == [
        f"API key {key_id} (north) is in use, with read",
        f"API key {key_id} (north) is revoked",
    ]


def test_which_settings_need_which_keys(path: Path) -> None:
    assert open_key_ring(Settings()) is None
    on_loopback = open_key_ring(Settings(api_keys_file=path))
    assert on_loopback is not None
    assert on_loopback.descriptions == ()
    remote = Settings(api_keys_file=path, host="0.0.0.0")
    with pytest.raises(KeyFileError, match=r"0\.0\.0\.0.*has no key in it.*keys create"):
        open_key_ring(remote)
    add(path)
    assert open_key_ring(remote) is not None
    with pytest.raises(KeyFileError, match="is not there"):
        open_key_ring(Settings(api_keys_file=path.with_name("none")))
