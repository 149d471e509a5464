"""Whether the service can answer, and what is missing where it cannot."""

import logging

from service.components import Components
from service.errors import Unavailable

logger = logging.getLogger(__name__)


def require_recovered(components: Components) -> None:
    """Refuses a request while the service starts.

    Raises:
        Unavailable: the gallery is not recovered yet.
    """
    if not components.recovery.is_done:
        raise Unavailable(f"the service is starting: {components.recovery.progress}")


async def check_readiness(components: Components) -> list[str]:
    """What is missing, one sentence each; empty when the service can answer searches and writes."""
    missing: list[str] = []
    if not components.recovery.is_done:
        missing.append(f"the gallery is not recovered: {components.recovery.progress}")
    if not await components.index.ping():
        missing.append("Redis does not answer")
    if components.writer.unsettled:
        missing.append(f"{len(components.writer.unsettled)} writes are on disk and not yet in Redis or on the device")
    if not components.store.is_alive:
        missing.append("the thread that writes to the disk has ended")
    missing += await _check_device(components)
    return missing


async def _check_device(components: Components) -> list[str]:
    if not components.worker.is_alive:
        return ["the device thread has ended"]
    try:
        # Not refused by a full queue: a busy device is a working one.
        is_right = await components.worker.run_accepted(components.operations.check, None)
    except Exception as error:
        # Whatever a broken driver raises, it is the answer to the question whether the device works.
        logger.exception("the device could not answer a known question")
        return [f"the device fails: {error}"]
    return [] if is_right else ["the device gives a wrong answer to a known question"]
