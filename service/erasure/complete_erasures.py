"""What follows every erasure: the bytes that are left in the data file are overwritten, and its receipt is completed.

Several erasures share one scrub. The first scrub follows the start, whatever was erased before: a process that was
killed may have left something.
"""

import asyncio
import logging
import time

from service.clock import Clock, system_clock
from service.components import Components
from service.storage.page_scrubber import ScrubIncomplete, ScrubReport

# So long, erasures that follow each other wait for one scrub together.
GATHERING_SECONDS = 3.0
_SECONDS_BETWEEN_CHECKS = 1.0
_SECONDS_BEFORE_ANOTHER_TRY = 30.0
# A scrub reads the pages of all records. After one the next rests for so many times as long as it took: the pages of
# what was erased are not to wait, those of what was only replaced may, and replacements can come without end.
_REST_BEFORE_ERASURES = 1.0
_REST_BEFORE_REPLACEMENTS = 19.0

logger = logging.getLogger(__name__)


async def complete_erasures(components: Components, clock: Clock = system_clock) -> ScrubReport:
    """Scrubs once, now, and completes the receipts of all erasures before it.

    Raises:
        ScrubIncomplete, InconsistentPages, StorageFull, lmdb.Error, OSError: something is left; receipts stay pending.
    """
    store = components.store
    pending = await asyncio.to_thread(store.receipts.pending)
    report = await asyncio.to_thread(store.scrub)
    await store.receipts.complete(pending, clock())
    if components.clock.doubt is None:
        await store.receipts.forget_outlived(clock())
    components.scrub.failure = None
    logger.info(
        "scrubbed in %.2f s: %d free pages and %d stretches of others were overwritten, %d receipts completed",
        report.seconds,
        report.zeroed_pages,
        report.zeroed_stretches,
        len(pending),
    )
    return report


async def keep_erasures_complete(components: Components) -> None:
    """Runs until it is cancelled: a scrub some seconds after each erasure, and some time after replacements.

    Scrubs take at most half of the time, and a twentieth of it where nothing was erased.
    """
    task = asyncio.current_task()
    assert task is not None
    took_seconds = ended = 0.0
    while not task.cancelling():
        await asyncio.sleep(_SECONDS_BETWEEN_CHECKS)
        if not components.store.is_scrub_due:
            continue
        rest = _REST_BEFORE_ERASURES if components.store.is_erasure_unscrubbed else _REST_BEFORE_REPLACEMENTS
        if time.monotonic() < ended + rest * took_seconds:
            continue
        await asyncio.sleep(GATHERING_SECONDS)
        try:
            took_seconds = (await complete_erasures(components)).seconds
            ended = time.monotonic()
        except Exception as error:
            components.scrub.failure = f"bytes of erased detections are still in the data file: {error}"
            is_expected = isinstance(error, ScrubIncomplete)
            logger.warning(components.scrub.failure, exc_info=None if is_expected else error)
            await asyncio.sleep(_SECONDS_BEFORE_ANOTHER_TRY)
