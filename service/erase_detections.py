"""Erasure: disk → Redis → device, of one detection or of all that match a filter."""

import asyncio
from collections.abc import Callable

from service.components import Components
from service.errors import DetectionNotFound
from service.records import DetectionFilter

# Erased side by side: the disk's writer puts those that wait into one transaction.
_ERASED_TOGETHER = 64


async def erase_detection(components: Components, detection_id: str) -> None:
    """Erases one detection.

    Raises:
        DetectionNotFound: there is none of that ID.
        Unavailable, QueueFull: try again.
    """
    if await components.writer.erase(detection_id) is None:
        raise DetectionNotFound(f"there is no detection {detection_id!r}")


def _tell_nobody(_detection_id: str) -> None:
    pass


async def erase_detections(
    components: Components, chosen: DetectionFilter, on_erased: Callable[[str], None] = _tell_nobody
) -> int:
    """Erases all detections that match a filter and returns how many they were.

    Should it fail half-way, those before are erased; the same call again erases the rest. A detection that is replaced
    meanwhile, and no longer matches, is kept.

    Args:
        components: of the running service.
        chosen: which are meant.
        on_erased: is told the ID of each detection that was erased, also where the whole fails half-way.
    """
    erased = 0
    detection_ids = await components.index.matching_ids(chosen)
    await components.index.require_in_step()
    for start in range(0, len(detection_ids), _ERASED_TOGETHER):
        part = detection_ids[start : start + _ERASED_TOGETHER]
        # All of a part end before one that failed is told of, so that every one that was erased is told of too.
        gone = await asyncio.gather(
            *(_erase(components, detection_id, chosen, on_erased) for detection_id in part), return_exceptions=True
        )
        for outcome in gone:
            if isinstance(outcome, BaseException):
                raise outcome
            erased += outcome
    return erased


async def _erase(
    components: Components, detection_id: str, chosen: DetectionFilter, on_erased: Callable[[str], None]
) -> bool:
    if await components.writer.erase(detection_id, chosen) is None:
        return False
    on_erased(detection_id)
    return True
