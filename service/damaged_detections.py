"""What is done with a record that turns out to be damaged when it is read: set aside, and never served."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from service.components import Components
from service.errors import DetectionNotFound, Unavailable
from service.storage.record_encoding import DamagedRecord

Item = TypeVar("Item")


async def read_sound(
    components: Components, read: Callable[[str], Item | None], detection_ids: Sequence[str]
) -> list[Item | None]:
    """What the store's `read` gives of each detection; None for one that is not there, or is damaged and set aside."""
    if not detection_ids:
        return []
    found, damaged = await asyncio.to_thread(lambda: _read_each(read, detection_ids))
    for detection_id, reason in damaged.items():
        with suppress(Unavailable):  # the next read finds it again; it is not served meanwhile either
            await components.writer.set_aside(detection_id, reason)
    return found


async def not_found(components: Components, detection_id: str) -> DetectionNotFound:
    """The error for a detection that is not served, which says whether there was one."""
    if await asyncio.to_thread(components.store.get_set_aside, detection_id) is not None:
        return DetectionNotFound(
            f"detection {detection_id!r} was damaged on the disk and is set aside: send the crop again with PUT, or "
            "erase it with DELETE"
        )
    return DetectionNotFound(f"there is no detection {detection_id!r}")


def _read_each(
    read: Callable[[str], Item | None], detection_ids: Sequence[str]
) -> tuple[list[Item | None], dict[str, str]]:
    found: list[Item | None] = []
    damaged: dict[str, str] = {}
    for detection_id in detection_ids:
        try:
            found.append(read(detection_id))
        except DamagedRecord as error:
            found.append(None)
            damaged[detection_id] = str(error)
    return found, damaged
