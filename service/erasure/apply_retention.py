"""Erases detections that have reached their age, of whatever model: disk → Redis → device."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from service.components import Components
from service.erasure.erase_matching import erase_matching
from service.erasure.retention_limits import UNKNOWN_CAMERA, has_retention, outlived_filters, retention_seconds_of
from service.errors import ServiceError, Unavailable
from service.records import MICROSECONDS_PER_SECOND

# A detection is to be gone within a minute of its time; a sweep that fails has three more tries.
SECONDS_BETWEEN_SWEEPS = 15.0

OnErased = Callable[[Sequence[str]], Awaitable[None]]

logger = logging.getLogger(__name__)


async def tell_nobody(detection_ids: Sequence[str]) -> None:
    """For services that keep no account of what was erased."""


async def apply_retention(components: Components, now_us: int, on_erased: OnErased = tell_nobody) -> Counter[str]:
    """One sweep; how many detections were erased of each camera.

    Args:
        components: of a recovered service.
        now_us: the time by which ages are counted.
        on_erased: told of what was erased, part by part.

    Raises:
        Unavailable: Redis is away; what was erased before is, and the next sweep erases the rest.
    """
    erased: Counter[str] = Counter()
    try:
        for detection_id, camera_id in await asyncio.to_thread(_outlived_set_aside, components, now_us):
            if await components.writer.erase_set_aside(detection_id):
                erased[camera_id] += 1
                await on_erased([detection_id])
        for camera in await components.index.camera_summary():
            for chosen in outlived_filters(components.settings, camera.camera_id, now_us):
                try:
                    async for part in erase_matching(components, chosen):
                        erased[camera.camera_id] += len(part)
                        await on_erased(part)
                except Unavailable:
                    raise
                except Exception:
                    logger.exception("not all that reached its age could be erased, trying again")
    finally:
        for camera_id, count in erased.items():
            logger.info("retention: %d detections of camera %s reached their age and were erased", count, camera_id)
    return erased


def _outlived_set_aside(components: Components, now_us: int) -> list[tuple[str, str]]:
    """The damaged records that reached their age, which Redis does not know, and their cameras.

    One whose metadata cannot be read is as old as its setting aside, and of the camera with the shortest retention.
    """
    outlived: list[tuple[str, str]] = []
    for record in components.store.iterate_set_aside():
        camera_id = UNKNOWN_CAMERA if record.metadata is None else record.metadata.camera_id
        limit_seconds = retention_seconds_of(components.settings, camera_id)
        since_us = record.set_aside_at_us
        if record.metadata is not None:
            since_us = min(record.metadata.timestamp_us, record.metadata.created_at_us)
        if limit_seconds is not None and since_us + limit_seconds * MICROSECONDS_PER_SECOND <= now_us:
            outlived.append((record.detection_id, camera_id))
    return outlived


async def keep_retention(components: Components, on_erased: OnErased = tell_nobody) -> None:
    """Runs until it is cancelled, or returns where nothing is ever too old: a sweep every few seconds.

    While the clock is doubted there is none: readiness warns of it.
    """
    task = asyncio.current_task()
    assert task is not None
    while has_retention(components.settings) and not task.cancelling():
        try:
            now_us = await asyncio.to_thread(components.clock.read)
            if now_us is not None:
                await apply_retention(components, now_us, on_erased)
        except ServiceError as error:
            logger.warning("retention waits, trying again: %s", error.detail)
        except Exception:
            logger.exception("retention failed, trying again")
        await asyncio.sleep(SECONDS_BETWEEN_SWEEPS)
