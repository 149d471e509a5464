"""Changes of the API keys on record, those made while no service ran too."""

from pathlib import Path

import pytest

from service.audit_events import KeyDescription
from service.audited_keys import record_key_change, record_keys_at_start
from service.storage.audit_log import AuditLog
from service.storage.audit_reading import find_last
from tests.service.storage.audit_writing import HeldClock, event, read_record

pytestmark = pytest.mark.anyio

CONSOLE = KeyDescription("k1", "console", ("search", "read"), requests_per_second=5.0)
CAMERA = KeyDescription("k2", "camera", ("ingest",))


async def test_a_change(data_dir: Path) -> None:
    audit = AuditLog.open(data_dir)
    await record_key_change(audit, [CONSOLE], [CAMERA, CONSOLE])
    audit.close()
    (entry,) = read_record(data_dir)
    console = {
        "key_id": "k1",
        "name": "console",
        "scopes": ["search", "read"],
        "requests_per_second": 5.0,
        "expires": None,
    }
    assert entry["before"] == [console]
    assert [key["key_id"] for key in entry["after"]] == ["k1", "k2"]
    assert entry["while_down"] is False


async def test_changes_while_no_service_ran(data_dir: Path) -> None:
    clock = HeldClock()
    audit = AuditLog.open(data_dir, clock_us=clock)
    await record_keys_at_start(audit, [])
    assert read_record(data_dir) == []
    await record_keys_at_start(audit, [CONSOLE])
    for day in range(3):
        await audit.record(event(day))
        clock.pass_days(1)
    await record_keys_at_start(audit, [CONSOLE])
    assert len(read_record(data_dir)) == 4
    await record_keys_at_start(audit, [CAMERA, CONSOLE])
    await record_keys_at_start(audit, [CONSOLE, CAMERA])
    await record_keys_at_start(audit, [])
    audit.close()
    changes = [entry for entry in read_record(data_dir) if entry["event"] == "keys_changed"]
    assert [entry["before"] and len(entry["before"]) for entry in changes] == [None, 1, 2]
    assert [len(entry["after"]) for entry in changes] == [1, 2, 0]
    assert all(entry["while_down"] for entry in changes)
    assert find_last(audit.directory, "search") is None
