"""Changes of the API keys on record, those made while no service ran too."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.access.api_key import KeyDescription
from service.access.scope import Scope
from service.audit.audit_events import AuditedKey
from service.audit.audited_keys import KeysOnRecord, read_key
from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_reading import find_last
from tests.service.storage.audit_writing import HeldClock, event, read_record

pytestmark = pytest.mark.anyio

MADE = datetime(2026, 11, 20, tzinfo=UTC)
CONSOLE = KeyDescription(
    "0000000a", "console", frozenset({Scope.SEARCH, Scope.READ}), 300, MADE, datetime(2027, 1, 1, tzinfo=UTC), "5e" * 8
)
CAMERA = KeyDescription(
    "0000000b", "camera", frozenset({Scope.INGEST}), None, MADE, None, "ca" * 8, frozenset({"north", "gate"})
)


async def test_a_change(data_dir: Path) -> None:
    audit = AuditLog.open(data_dir)
    changes = KeysOnRecord(audit)
    await changes(None, [CONSOLE])
    await changes([CONSOLE], [CAMERA, CONSOLE])
    audit.close()
    found, changed = read_record(data_dir)
    console = {
        "key_id": "0000000a",
        "name": "console",
        "scopes": ["read", "search"],
        "secret_fingerprint": "5e" * 8,
        "requests_per_minute": 300,
        "expires_at": "2027-01-01T00:00:00.000000Z",
        "camera_ids": None,
    }
    assert (found["before"], found["after"], found["while_down"]) == (None, [console], True)
    assert changed["before"] == [console]
    assert [key["key_id"] for key in changed["after"]] == ["0000000a", "0000000b"]
    assert changed["after"][1]["camera_ids"] == ["gate", "north"]
    assert changed["while_down"] is False


async def test_other_cameras_are_a_change_and_an_entry_from_before_there_were_any_is_not(data_dir: Path) -> None:
    audit = AuditLog.open(data_dir)
    await KeysOnRecord(audit)(None, [CAMERA])
    await KeysOnRecord(audit)(None, [CAMERA])
    await KeysOnRecord(audit)(None, [replace(CAMERA, camera_ids=None)])
    audit.close()
    assert [entry["after"][0]["camera_ids"] for entry in read_record(data_dir)] == [["gate", "north"], None]
    older = {**read_record(data_dir)[-1]["after"][0]}
    del older["camera_ids"]
    assert read_key(older) == AuditedKey(**{**older, "scopes": ("ingest",)})


async def test_changes_while_no_service_ran(data_dir: Path) -> None:
    clock = HeldClock()
    audit = AuditLog.open(data_dir, clock_us=clock)
    await KeysOnRecord(audit)(None, [])
    assert read_record(data_dir) == []
    await KeysOnRecord(audit)(None, [CONSOLE])
    for day in range(3):
        await audit.record(event(day))
        clock.pass_days(1)
    await KeysOnRecord(audit)(None, [CONSOLE])
    assert len(read_record(data_dir)) == 4
    await KeysOnRecord(audit)(None, [CAMERA, CONSOLE])
    await KeysOnRecord(audit)(None, [CONSOLE, CAMERA])
    await KeysOnRecord(audit)(None, [])
    audit.close()
    changes = [entry for entry in read_record(data_dir) if entry["event"] == "keys_changed"]
    assert [entry["before"] and len(entry["before"]) for entry in changes] == [None, 1, 2]
    assert [len(entry["after"]) for entry in changes] == [1, 2, 0]
    assert all(entry["while_down"] for entry in changes)
    assert find_last(audit.directory, "search") is None


async def test_another_secret_under_the_same_id(data_dir: Path) -> None:
    audit = AuditLog.open(data_dir)
    await KeysOnRecord(audit)(None, [CONSOLE])
    await KeysOnRecord(audit)(None, [replace(CONSOLE, secret_fingerprint="0f" * 8)])
    audit.close()
    _, changed = read_record(data_dir)
    assert [changed[state][0]["secret_fingerprint"] for state in ("before", "after")] == ["5e" * 8, "0f" * 8]
