"""Receipts: pending until a scrub that began after the erasure has ended, and forgotten after a year."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from service.components import Components
from service.erasure import complete_erasures as complete_erasures_module
from service.erasure.complete_erasures import complete_erasures
from service.erasure.erase_detections import erase_detection, erase_detections, read_receipt
from service.errors import DetectionNotFound, ReceiptNotFound
from service.inference.device_worker import Operation
from service.readiness import check_readiness, check_warnings
from service.records import DetectionFilter, DetectionMetadata
from service.storage.erasure_receipts import RECEIPT_RETENTION_SECONDS
from service.storage.page_scrubber import ScrubIncomplete, ScrubReport
from tests.service.stored_crops import at, check_agreement, draw_record

pytestmark = pytest.mark.anyio


async def test_a_receipt_is_completed_by_the_scrub_that_follows(components: Components) -> None:
    for number in range(3):
        await components.writer.put(draw_record(components, f"d{number}", number))
    one = await erase_detection(components, "d0", lambda: at(1))
    two = await erase_detections(components, DetectionFilter(camera_id="c1"), clock=lambda: at(2))
    assert (one.erased, two.erased) == (1, 2)
    assert (await read_receipt(components, one.receipt_id, lambda: at(3))).completed_at_us is None
    await complete_erasures(components, lambda: at(4))
    for receipt, requested_at_us in ((one, at(1)), (two, at(2))):
        found = await read_receipt(components, receipt.receipt_id, lambda: at(5))
        assert (found.requested_at_us, found.completed_at_us) == (requested_at_us, at(4))
        assert found.erased == receipt.erased
    assert not components.store.is_scrub_due
    with pytest.raises(ReceiptNotFound, match="365 days"):
        await read_receipt(components, "none", lambda: at(5))


async def test_an_erasure_while_a_scrub_runs_waits_for_the_next(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        await components.writer.put(draw_record(components, name))
    first = await erase_detection(components, "a", lambda: at(1))
    scrub, loop = components.store._scrubber.scrub, asyncio.get_running_loop()
    second = []

    def scrub_and_erase() -> ScrubReport:
        report = scrub()
        erasure = erase_detection(components, "b", lambda: at(2))
        second.append(asyncio.run_coroutine_threadsafe(erasure, loop).result(20))
        return report

    with monkeypatch.context() as patched:
        patched.setattr(components.store._scrubber, "scrub", scrub_and_erase)
        await complete_erasures(components, lambda: at(3))
    assert (await read_receipt(components, first.receipt_id, lambda: at(4))).completed_at_us == at(3)
    assert (await read_receipt(components, second[0].receipt_id, lambda: at(4))).completed_at_us is None
    assert components.store.is_scrub_due
    await complete_erasures(components, lambda: at(5))
    assert (await read_receipt(components, second[0].receipt_id, lambda: at(6))).completed_at_us == at(5)


async def test_what_a_scrub_could_not_do_leaves_receipts_pending(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    await components.writer.put(draw_record(components, "a"))
    receipt = await erase_detection(components, "a", lambda: at(1))

    def fail() -> ScrubReport:
        raise ScrubIncomplete("a reader needs it")

    with monkeypatch.context() as patched:
        patched.setattr(components.store._scrubber, "scrub", fail)
        with pytest.raises(ScrubIncomplete):
            await complete_erasures(components, lambda: at(2))
    assert (await read_receipt(components, receipt.receipt_id, lambda: at(3))).completed_at_us is None
    components.scrub.failure = "bytes are left"
    assert check_warnings(components) == ["bytes are left"]
    assert await check_readiness(components) == []
    await complete_erasures(components, lambda: at(4))
    assert check_warnings(components) == []


async def test_receipts_are_forgotten_after_a_year(components: Components) -> None:
    await components.writer.put(draw_record(components, "a"))
    receipt = await erase_detection(components, "a", lambda: at(0))
    await complete_erasures(components, lambda: at(1))
    last_moment = at(RECEIPT_RETENTION_SECONDS)
    assert (await read_receipt(components, receipt.receipt_id, lambda: last_moment)) is not None
    with pytest.raises(ReceiptNotFound):
        await read_receipt(components, receipt.receipt_id, lambda: last_moment + 1)
    await complete_erasures(components, lambda: last_moment)
    assert components.store.receipts.get(receipt.receipt_id, at(2)) is not None
    await complete_erasures(components, lambda: last_moment + 1)
    assert components.store.receipts.get(receipt.receipt_id, at(2)) is None


async def test_the_same_erasure_again_succeeds_where_the_first_failed_after_the_disk(components: Components) -> None:
    writer = components.writer
    for name in "abc":
        await writer.put(draw_record(components, name))
    operations = writer._operations
    writer._operations = replace(operations, remove=Operation("remove", _fail))
    for name in "abc":
        with pytest.raises(OSError, match="the device failed"):
            await erase_detection(components, name)
    writer._operations = operations
    assert (await erase_detection(components, "a")).erased == 1  # unsettled still
    await writer.settle()
    assert (await erase_detection(components, "b")).erased == 1  # settled since
    await writer.put(draw_record(components, "c", 2))
    assert (await erase_detection(components, "c")).erased == 1  # another one of that ID
    for name in ("a", "b", "c", "never there"):
        with pytest.raises(DetectionNotFound):
            await erase_detection(components, name)
    assert await check_agreement(components) == []


def _fail(_: Sequence[str]) -> list[DetectionMetadata]:
    raise OSError("the device failed")


async def test_replacements_wait_for_longer_than_erasures(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scrub of half a second: ten seconds of rest before what was only replaced, half a second before an erasure."""
    scrubs: list[float] = []
    store = components.store

    async def scrub(_components: Components) -> ScrubReport:
        scrubs.append(time.monotonic())
        store._due_scrubs._served = store._due_scrubs._requested
        return ScrubReport(0, 0, 0.5)

    monkeypatch.setattr(complete_erasures_module, "complete_erasures", scrub)
    monkeypatch.setattr(complete_erasures_module, "_SECONDS_BETWEEN_CHECKS", 0.01)
    monkeypatch.setattr(complete_erasures_module, "GATHERING_SECONDS", 0.0)
    keeping = asyncio.create_task(complete_erasures_module.keep_erasures_complete(components))
    try:
        await asyncio.sleep(0.2)
        for number in range(2):
            await components.writer.put(draw_record(components, "a", number))
        await asyncio.sleep(0.7)
        assert store.is_scrub_due
        assert len(scrubs) == 1
        await erase_detection(components, "a")
        await asyncio.sleep(0.3)
        assert len(scrubs) == 2
    finally:
        keeping.cancel()
