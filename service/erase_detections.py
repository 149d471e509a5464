"""Erasure: disk → Redis → device, of one detection or of all that match a filter."""

import asyncio

from service.components import Components
from service.errors import DetectionNotFound
from service.records import DetectionFilter

# Erased side by side: the disk's writer puts those that wait into one transaction.
_ERASED_TOGETHER = 64


async def erase_detection(components: Components, detection_id: str) -> None:
    """Erases one detection, or the damaged record of one that was set aside.

    Raises:
        DetectionNotFound: there is none of that ID.
        Unavailable, QueueFull: try again.
    """
    is_there = await asyncio.to_thread(components.store.holds, detection_id)  # a damaged one has no metadata to return
    if await components.writer.erase(detection_id) is None and not is_there:
        raise DetectionNotFound(f"there is no detection {detection_id!r}")


async def erase_detections(components: Components, chosen: DetectionFilter) -> int:
    """Erases all detections that match a filter and returns how many they were.

    Should it fail half-way, those before are erased; the same call again erases the rest. A detection that is replaced
    meanwhile, and no longer matches, is kept.
    """
    erased = 0
    detection_ids = await components.index.matching_ids(chosen)
    await components.index.require_in_step()
    for start in range(0, len(detection_ids), _ERASED_TOGETHER):
        part = detection_ids[start : start + _ERASED_TOGETHER]
        gone = await asyncio.gather(*(components.writer.erase(detection_id, chosen) for detection_id in part))
        erased += sum(metadata is not None for metadata in gone)
    return erased
