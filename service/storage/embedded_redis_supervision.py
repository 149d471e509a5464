"""Starts the private Redis again when it ends without the service's doing: killed, or out of memory."""

import asyncio
import logging
import time

from service.observability.outage_log import OutageLog
from service.storage.embedded_redis import EmbeddedRedis, EmbeddedRedisError

_SECONDS_BETWEEN_LOOKS = 0.2
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
# A server that ran for so long did not end because of how it was started.
_STEADY_SECONDS = 60.0

logger = logging.getLogger(__name__)


async def keep_running(redis: EmbeddedRedis) -> None:
    """Runs until it is cancelled. The first restart comes at once, further ones after pauses that grow to 30 s.

    The new server is empty: bringing it in step with the disk is for those who know the disk.
    """
    outages = OutageLog(logger)
    began = time.monotonic()
    pause_seconds = 0.0
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
        if redis.is_running:
            outages.succeeded()
            continue
        outages.failed("the embedded Redis has ended and is started again")
        if time.monotonic() - began > _STEADY_SECONDS:
            pause_seconds = 0.0
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(max(_FIRST_PAUSE_SECONDS, 2 * pause_seconds), _LONGEST_PAUSE_SECONDS)
        began = time.monotonic()
        try:
            await asyncio.to_thread(redis.restart)
        except (EmbeddedRedisError, OSError) as error:
            outages.failed(f"the embedded Redis has ended and does not start: {error}")
