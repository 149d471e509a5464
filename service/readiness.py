"""Whether the service can answer, and what is missing where it cannot."""

import asyncio
import logging

from service.components import Components
from service.errors import Unavailable

logger = logging.getLogger(__name__)

_SECONDS_TO_ANSWER = 1.0


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
    missing += await _check_redis(components)
    if components.writer.unsettled:
        missing.append(f"{len(components.writer.unsettled)} writes are on disk and not yet in Redis or on the device")
    if not components.store.is_alive:
        missing.append("the thread that writes to the disk has ended")
    missing += _check_audit(components)
    missing += await _check_device(components)
    return missing


def check_warnings(components: Components) -> list[str]:
    """What the service answers in spite of, and somebody should see to; one sentence each."""
    return [warning for warning in (components.scrub.failure, components.clock.doubt) if warning is not None]


async def _check_redis(components: Components) -> list[str]:
    try:
        await components.index.require_writable()
    except Unavailable as error:
        return [error.detail]
    return []


def _check_audit(components: Components) -> list[str]:
    if not components.audit.is_alive:
        return ["the thread that writes the audit record has ended"]
    failure = components.audit.failure
    return [] if failure is None else [failure]


async def _check_device(components: Components) -> list[str]:
    if not components.worker.is_alive:
        return ["the device thread has ended"]
    check = components.worker.run_accepted(components.operations.check, None)
    try:
        is_right = await asyncio.wait_for(check, _SECONDS_TO_ANSWER)
    except TimeoutError:
        # A batch in hand is not interrupted. A busy device is a working one, up to the time that a request may take.
        if components.worker.busy_seconds < components.settings.request_timeout_seconds:
            return []
        return [f"the device has been busy with one batch for {components.worker.busy_seconds:.0f} s"]
    except Exception as error:
        # Whatever a broken driver raises, it is the answer to the question whether the device works.
        logger.exception("the device could not answer a known question")
        return [f"the device fails: {error}"]
    return [] if is_right else ["the device gives a wrong answer to a known question"]
