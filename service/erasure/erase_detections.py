"""Erasure on request: disk → Redis → device, of one detection or of all that match a filter, with a receipt.

The receipt is pending until nothing is left of the detections' bytes in the data file: see `complete_erasures`.
"""

import asyncio
from collections.abc import Callable

from service.clock import Clock, system_clock
from service.components import Components
from service.erasure.erase_matching import erase_matching
from service.errors import DetectionNotFound, ReceiptNotFound
from service.records import DetectionFilter
from service.storage.erasure_receipts import RECEIPT_RETENTION_SECONDS, ErasureReceipt
from service.time_ordered_id import create_time_ordered_id


async def erase_detection(components: Components, detection_id: str, clock: Clock = system_clock) -> ErasureReceipt:
    """Erases one detection, or the damaged record of one that was set aside.

    Raises:
        DetectionNotFound: there is none of that ID.
        Unavailable, QueueFull: try again.
    """
    requested_at_us = clock()
    is_there = await asyncio.to_thread(components.store.holds, detection_id)  # a damaged one has no metadata to return
    if await components.writer.erase(detection_id) is None and not is_there:
        raise DetectionNotFound(f"there is no detection {detection_id!r}")
    return await _issue_receipt(components, 1, requested_at_us)


def _tell_nobody(_detection_id: str) -> None:
    pass


async def erase_detections(
    components: Components,
    chosen: DetectionFilter,
    on_erased: Callable[[str], None] = _tell_nobody,
    clock: Clock = system_clock,
) -> ErasureReceipt:
    """Erases all detections that match a filter; the receipt says how many they were.

    Should it fail half-way, those before are erased; the same call again erases the rest. A detection that is replaced
    meanwhile, and no longer matches, is kept.

    Args:
        components: of the running service.
        chosen: which are meant.
        on_erased: is told the ID of each detection that was erased, also where the whole fails half-way.
        clock: tells the time of the request.

    Raises:
        Unavailable, QueueFull: try again.
    """
    requested_at_us = clock()
    erased = 0
    async for part in erase_matching(components, chosen):
        erased += len(part)
        for detection_id in part:
            on_erased(detection_id)
    return await _issue_receipt(components, erased, requested_at_us)


async def read_receipt(components: Components, receipt_id: str, clock: Clock = system_clock) -> ErasureReceipt:
    """The receipt of an erasure as it is now. Raises ReceiptNotFound."""
    receipt = await asyncio.to_thread(components.store.receipts.get, receipt_id, clock())
    if receipt is None:
        days = RECEIPT_RETENTION_SECONDS // 86400
        raise ReceiptNotFound(f"there is no receipt {receipt_id!r}; receipts are kept for {days} days")
    return receipt


async def _issue_receipt(components: Components, erased: int, requested_at_us: int) -> ErasureReceipt:
    receipt = ErasureReceipt(create_time_ordered_id(requested_at_us), erased, requested_at_us)
    await components.store.receipts.add(receipt)
    components.store.request_scrub()
    return receipt
