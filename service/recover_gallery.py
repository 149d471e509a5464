"""Recovery on start, disk → Redis → device, and keeping Redis in step with the disk from then on."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import islice

from service.components import Components
from service.errors import StorageFull, Unavailable
from service.observability.outage_log import OutageLog
from service.records import DetectionRecord
from service.reindex.switch_model import switch_model

logger = logging.getLogger(__name__)

_RECORDS_TOGETHER = 64
_SECONDS_BETWEEN_CHECKS = 1.0
_SECONDS_BETWEEN_COUNTS = 10.0


async def recover_gallery(components: Components) -> None:
    """Brings Redis and the device to what the disk says, after a switch to another model where one is due.

    Waits for a Redis that does not answer yet. Detections whose feature map is of another model stay on disk and in
    Redis, and are compared with nothing.

    Raises:
        StorageFull: the disk holds more detections than the gallery's capacity.
    """
    await switch_model(components)
    await _until_redis_takes_it(components, partial(_reconcile_redis, components))
    damaged = await _fill_device(components)
    await _until_redis_takes_it(components, partial(_set_aside, components, damaged))
    components.recovery.progress = "done"
    components.recovery.is_done = True
    logger.info("recovered: %d detections on the device", components.slots.size)


async def keep_in_step(components: Components) -> None:
    """Runs until it is cancelled: repairs a Redis that was emptied, replaced or lost keys, repeats unsettled writes."""
    outages = OutageLog(logger)
    next_count = 0.0
    task = asyncio.current_task()
    assert task is not None
    # Python 3.11's `asyncio.wait_for`, by which commands are sent to Redis, can lose a cancellation; the task knows.
    while not task.cancelling():
        await asyncio.sleep(_SECONDS_BETWEEN_CHECKS)
        try:
            reason = None
            if not await components.index.is_in_step():
                reason = "Redis was emptied, restarted or replaced"
            elif time.monotonic() >= next_count:
                reason = await _find_lost_keys(components)
                next_count = time.monotonic() + _SECONDS_BETWEEN_COUNTS
            if reason is not None:
                await _mend(components, reason, is_first_try=not outages.is_failing)
            await components.writer.settle()
            components.store.model_switch.forget_dead_readers()
            outages.succeeded()
        except Unavailable as error:
            outages.failed(f"not in step with the disk: {error.detail}")
        except Exception as error:
            # What is wrong now may be right in a second; readiness tells meanwhile.
            outages.failed(f"keeping Redis in step with the disk failed: {error!r}", exc_info=True)


async def _mend(components: Components, reason: str, *, is_first_try: bool) -> None:
    if is_first_try:
        logger.warning("%s: bringing it in step with the disk", reason)
    async with components.writer.paused():
        damaged = await _reconcile_redis(components)
    await _set_aside(components, damaged)


async def _find_lost_keys(components: Components) -> str | None:
    """Why single keys seem to be missing in Redis; None where none do, or while writes are under way."""
    before, on_disk = components.recovery.key_counts, components.store.count()
    if before is None or not components.writer.is_idle:
        return None
    now = await components.index.count_keys()
    if not components.writer.is_idle or components.store.count() != on_disk:
        return None
    if now.evicted != before.evicted:
        return f"Redis evicted {now.evicted - before.evicted} keys (set its maxmemory-policy to noeviction)"
    if on_disk - now.listed != len(components.recovery.unlisted):
        return f"Redis lists {now.listed} detections, the disk has {on_disk}"
    return None


async def _until_redis_takes_it(components: Components, step: Callable[[], Awaitable[object]]) -> None:
    """Repeats a step of the recovery until no error of Redis ends it."""
    outages = OutageLog(logger)
    while True:
        try:
            await step()
        except Unavailable as error:
            components.recovery.progress = f"waiting for Redis: {error.detail}"
            outages.failed(components.recovery.progress)
            await asyncio.sleep(_SECONDS_BETWEEN_CHECKS)
        else:
            outages.succeeded()
            return


async def _reconcile_redis(components: Components) -> dict[str, str]:
    """Returns the records whose metadata is damaged, and what is wrong with each."""
    total = components.store.count()

    def report(compared: int) -> None:
        components.recovery.progress = f"{compared} of {total} detections compared with Redis"

    report(0)
    damaged: dict[str, str] = {}
    before = await components.index.count_keys()
    result = await components.index.reconcile(components.store.iterate_metadata(damaged.__setitem__), report)
    components.recovery.key_counts = before  # what is evicted meanwhile shows at the next count
    components.recovery.unlisted = set(damaged)
    logger.info("Redis: %d of %d detections rewritten, %d removed", result.written, total, result.removed)
    return damaged


async def _fill_device(components: Components) -> dict[str, str]:
    """Returns the damaged records, and what is wrong with each."""
    damaged: dict[str, str] = {}
    records = components.store.iterate_records(damaged.__setitem__)
    total = components.store.count()
    filled = 0
    batch = await asyncio.to_thread(_next_comparable, records, components.fingerprint)
    while batch:
        for record in batch:
            _reserve(components, record, total)
        put = (components.worker.run_accepted(components.operations.put, record) for record in batch)
        # The next ones are read while the device takes these.
        following, _ = await asyncio.gather(
            asyncio.to_thread(_next_comparable, records, components.fingerprint), asyncio.gather(*put)
        )
        filled += len(batch)
        components.recovery.progress = f"{filled} of {total} detections on the device"
        batch = following
    if filled < total:
        logger.warning(
            "%d of %d detections on disk are damaged or of another model than %s: no search compares with them",
            total - filled,
            total,
            components.fingerprint,
        )
    return damaged


async def _set_aside(components: Components, damaged: dict[str, str]) -> None:
    """What cannot be read is no reason not to start: it is kept, named, and not served."""
    for detection_id, reason in damaged.items():
        await components.writer.set_aside(detection_id, reason)
        if await asyncio.to_thread(components.store.get_set_aside, detection_id) is not None:
            components.recovery.unlisted.discard(detection_id)
    if number := components.store.count_set_aside():
        logger.warning(
            "%d damaged records are set aside and not served: qaconv-service verify names them; send those crops "
            "again, or erase them",
            number,
        )


def _next_comparable(records: Iterator[DetectionRecord], fingerprint: str) -> list[DetectionRecord]:
    comparable = (record for record in records if record.metadata.model_fingerprint == fingerprint)
    return list(islice(comparable, _RECORDS_TOGETHER))


def _reserve(components: Components, record: DetectionRecord, total: int) -> None:
    try:
        components.slots.reserve(record.metadata.detection_id)
    except StorageFull as error:
        raise StorageFull(
            f"the disk holds {total} detections, the gallery's capacity is {components.slots.capacity}: raise "
            "QACONV_GALLERY_CAPACITY, or use a device with more memory"
        ) from error
