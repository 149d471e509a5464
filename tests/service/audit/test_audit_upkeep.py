"""The service's start and end on record, and a record that is looked after meanwhile."""

import asyncio
import logging
import os
from pathlib import Path

import pytest

from service.audit.audit_upkeep import keep_record, serving_on_record
from service.components import Components
from service.readiness import check_readiness
from service.settings import Settings
from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_segments import list_segments
from tests.service.running_application import run_application
from tests.service.storage.audit_writing import HeldClock, event, read_record
from tests.service.storage.small_disk import run_on_small_disk

pytestmark = pytest.mark.anyio


async def test_start_and_end(components: Components, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving_on_record(components):
        pass
    started, stopped = read_record(components.settings.data_dir)
    assert (started["event"], stopped["event"]) == ("started", "stopped")
    assert (started["model_fingerprint"], started["detections"]) == (components.fingerprint, 0)
    assert (started["host"], started["device"]) == ("127.0.0.1", "cpu")
    assert started["precision"] == components.gallery.precision
    assert (started["has_api_keys"], started["has_tls"], started["audit_retention_days"]) == (False, False, 365)
    assert f"the head of the audit record is 2:{stopped['hash']}" in caplog.text


async def test_an_application_puts_requests_on_record_with_their_id_and_address(settings: Settings) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        await running.put("a")
        headers = {"X-Request-Id": "who-asked"}
        await running.client.post("/v1/search", data={"detection_id": "a"}, headers=headers)
        await running.client.post("/v1/search", data={"detection_id": "nobody"}, headers=headers)
        await running.client.delete("/v1/detections/a", headers=headers)
        await running.client.post("/v1/detections:erase", json={"camera_id": "c"}, headers=headers)
    entries = read_record(settings.data_dir)
    assert [entry["event"] for entry in entries] == [
        "started",
        "search",
        "search",
        "erase_requested",
        "erased",
        "erase_requested",
        "erased",
        "stopped",
    ]
    for entry in entries[1:-1]:
        assert entry["source"] == {
            "key_id": None,
            "key_name": None,
            "address": "127.0.0.1",
            "request_id": "who-asked",
        }


async def test_a_full_disk_answers_507_and_readiness_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        await running.put("a")

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", full)
            refused = await running.search()
            assert (refused.status_code, refused.json()["type"]) == (507, "/problems/storage-full")
            assert "matches" not in refused.text
            unready = await running.client.get("/readyz")
            assert (unready.status_code, "not on record" in unready.json()["detail"]) == (503, True)
            assert (await running.client.delete("/v1/detections/a")).status_code == 204
        # Nobody has to do anything: the upkeep finds out that the disk is well again.
        await running.wait_until_ready()
        assert (await running.search()).status_code == 200
    events = [entry["event"] for entry in read_record(settings.data_dir)]
    assert events == ["started", "erase_requested", "erased", "audit_resumed", "search", "stopped"]


async def test_a_closed_record_is_missed(components: Components) -> None:
    await asyncio.to_thread(components.audit.close)
    assert await check_readiness(components) == ["the thread that writes the audit record has ended"]


async def test_what_is_too_old_goes_and_the_head_is_logged(
    components: Components, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("service.audit.audit_upkeep._SECONDS_BETWEEN_RETRIES", 0.0001)
    monkeypatch.setattr("service.audit.audit_upkeep._RETRIES_BETWEEN_HOURS", 10)
    clock = HeldClock()
    elsewhere = components.settings.data_dir / "elsewhere"
    elsewhere.mkdir()
    audit = AuditLog.open(elsewhere, clock_us=clock)
    keeping = asyncio.create_task(keep_record(audit, components.clock, 2))
    for day in range(5):
        await audit.record(event(day))
        clock.pass_days(1)
    while len(list_segments(audit.directory)) > 3:
        await asyncio.sleep(0.01)
    while f"the head of the audit record is {audit.head}" not in caplog.text:
        await asyncio.sleep(0.01)
    keeping.cancel()
    await asyncio.wait([keeping])
    audit.close()


# A service's parts on a disk of 24 MiB that another file fills.
FILL = """
import asyncio, sys
from pathlib import Path
from service.audit.audit_events import Source
from service.audit.on_record import erase_detection_on_record, erase_detections_on_record, search_on_record
from service.components import open_components
from service.errors import StorageFull
from service.readiness import check_readiness
from service.records import DetectionFilter
from service.recover_gallery import recover_gallery
from service.settings import Settings
from service.storage.audit.audit_verification import verify_record
from service.storage.disk_reserve import DiskReserve
from tests.service.stored_crops import draw_record, search_for

SOURCE = Source(None, None, None, "r")

async def main():
    settings = Settings(
        data_dir=Path(sys.argv[1]), checkpoint=Path(sys.argv[2]), redis_url=sys.argv[3], device="cpu",
        gallery_capacity=100, disk_capacity_bytes=2**23,
    )
    async with open_components(settings) as components:
        await recover_gallery(components)
        for number in range(20):
            await components.writer.put(draw_record(components, f"d{number}", number))
        await search_on_record(components, search_for(detection_id="d1"), SOURCE, str)
        filling = settings.data_dir / "filling"
        DiskReserve(filling, 2**26).hold()
        refused = 0
        for _ in range(20):
            try:
                await search_on_record(components, search_for(detection_id="d1"), SOURCE, str)
            except StorageFull:
                refused += 1
        assert refused > 5, refused
        assert "not on record" in (await check_readiness(components))[0]
        await erase_detection_on_record(components, "d1", SOURCE)
        receipt = await erase_detections_on_record(components, DetectionFilter(camera_id="c1"), SOURCE)
        assert receipt.erased == 19
        assert components.store.count() == 0
        filling.unlink()
        await components.audit.retry()
        assert await check_readiness(components) == []
    found = verify_record(components.audit.directory)
    assert found.faults == ()
    assert found.entries == 1 + (20 - refused) + 4 + 1, found

asyncio.run(main())
"""


def test_a_full_disk_refuses_searches_and_lets_erase(
    tmp_path: Path, tiny_checkpoint: Path, external_redis_url: str
) -> None:
    small_disk = tmp_path / "small"
    small_disk.mkdir()
    run_on_small_disk(small_disk, 24, FILL, tiny_checkpoint, external_redis_url)
