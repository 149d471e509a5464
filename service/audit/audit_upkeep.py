"""Puts the service's start and end on record, and looks after the record meanwhile: its age, its head, its disk."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from service.audit.audit_events import ClockDoubted, Started, Stopped
from service.components import Components
from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_retention import trim_record
from service.storage.clock_check import ClockCheck

_SECONDS_BETWEEN_RETRIES = 1.0
_RETRIES_BETWEEN_HOURS = 3600

_logger = logging.getLogger(__name__)


@asynccontextmanager
async def serving_on_record(components: Components) -> AsyncIterator[None]:
    """Around the time that a service serves: its begin and end are on record, and the record is looked after."""
    await components.audit.record_regardless(_describe_start(components))
    upkeep = asyncio.create_task(
        keep_record(components.audit, components.clock, components.settings.audit_retention_days)
    )
    try:
        yield
    finally:
        upkeep.cancel()
        await asyncio.wait([upkeep])
        await components.audit.record_regardless(Stopped(components.store.count()))
        log_head(components.audit)


async def keep_record(audit: AuditLog, clock: ClockCheck, retention_days: int) -> None:
    """Runs until it is cancelled: at first and every hour deletes what is too old and logs the head. Every second it
    tries whether a record that could not be written can be, and puts on record when the clock is no longer believed.
    """
    was_doubted = False
    while True:
        await _trim(audit, clock, retention_days)
        log_head(audit)
        for _ in range(_RETRIES_BETWEEN_HOURS):
            was_doubted = await _tell_of_doubt(audit, clock, was_doubted=was_doubted)
            await asyncio.sleep(_SECONDS_BETWEEN_RETRIES)
            await _retry(audit)


def log_head(audit: AuditLog) -> None:
    """Where logs are kept apart from the service, the head in them shows an end of the record that was cut off."""
    _logger.info("the head of the audit record is %s", audit.head)


async def _trim(audit: AuditLog, clock: ClockCheck, retention_days: int) -> None:
    try:
        if await asyncio.to_thread(clock.read) is not None:
            await trim_record(audit, retention_days)
    except Exception:
        # Whatever it is: entries kept too long are no reason to stop looking after the record.
        _logger.exception("the audit record was not trimmed; it is tried again in an hour")


async def _tell_of_doubt(audit: AuditLog, clock: ClockCheck, *, was_doubted: bool) -> bool:
    await asyncio.to_thread(clock.read)
    doubt = clock.doubt
    if doubt is not None and not was_doubted:
        await audit.record_regardless(ClockDoubted(doubt))
    return doubt is not None


async def _retry(audit: AuditLog) -> None:
    try:
        await audit.retry()
    except Exception:
        _logger.exception("the audit record cannot be written; it is tried again in a second")


def _describe_start(components: Components) -> Started:
    settings = components.settings
    return Started(
        version=_version(),
        model_name=components.checkpoint.name,
        model_fingerprint=components.fingerprint,
        detections=components.store.count(),
        host=settings.host,
        device=str(components.gallery.device),
        precision=components.gallery.precision,
        has_api_keys=settings.api_keys_file is not None,
        has_tls=settings.tls_certificate is not None,
        max_nearby=settings.max_nearby,
        store_crops=settings.store_crops,
        retention_seconds=settings.retention_seconds,
        camera_retention_seconds=settings.camera_retention_seconds,
        audit_retention_days=settings.audit_retention_days,
    )


def _version() -> str:
    try:
        return version("qaconv")
    except PackageNotFoundError:
        return "not installed as a package"
