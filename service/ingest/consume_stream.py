"""Streaming ingest: claim what was abandoned → read what is new → ingest side by side → acknowledge what is on disk.

Entries are delivered at least once; each detection is there once, because a redelivered entry has the same ID. What
cannot be stored is set aside with its reason. What can only not be stored now stays in hand and is tried again, and
no more is read meanwhile.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from service.audit.audit_events import Source
from service.audit.on_record import ingest_on_record
from service.components import Components
from service.errors import RequestTimeout, ServiceError, Unavailable
from service.ingest.ingest_detection import NewDetection
from service.observability.outage_log import OutageLog
from service.observability.request_context import RequestContext, current_request_id, working_for
from service.observability.trace_context import TraceContext
from service.shutdown_time import ShutdownTime
from service.storage.ingest_stream import IngestStream
from service.storage.stream_entry import StreamEntry

logger = logging.getLogger(__name__)

ReadEntry = Callable[[StreamEntry], NewDetection]
_Outcome = Literal["stored", "refused", "failed"] | ServiceError

_LONGEST_READ_SECONDS = 1.0
_SHORTEST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0
_UPKEEP_SECONDS = 5.0
_MAX_DELIVERIES = 5


def derive_detection_id(stream_key: str, entry_id: str) -> str:
    """The ID of a detection whose entry names none: a UUID of version 5, the same each time the entry is delivered.

    The name is `redis-stream:{stream_key}/{entry_id}`, the namespace that of URLs: a camera worker can work it out
    from what XADD answered, `uuid5(NAMESPACE_URL, "redis-stream:qaconv:ingest/1790000000000-0")`.
    """
    return str(uuid5(NAMESPACE_URL, f"redis-stream:{stream_key}/{entry_id}"))


@asynccontextmanager
async def consuming_stream(
    components: Components, read_entry: ReadEntry, shutdown: ShutdownTime
) -> AsyncIterator[None]:
    """Reads the stream meanwhile, where there is one, from when the gallery is recovered.

    When the service begins to end it reads no more, finishes and acknowledges what it has in hand, and gives up when
    the time of requests in flight is over; what is not acknowledged then is delivered again.
    """
    if components.stream is None:
        yield
        return
    consumer = _Consumer(components, components.stream, read_entry, shutdown.has_begun)
    tasks = [asyncio.create_task(consumer.run()), asyncio.create_task(consumer.keep_up())]
    try:
        yield
    finally:
        shutdown.begin()
        _, unfinished = await asyncio.wait(tasks, timeout=shutdown.seconds_left)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(Unavailable):
            await components.stream.leave()


@dataclass(slots=True)
class _Hand:
    """Entries that were handed out and not acknowledged yet, by what is to be done with them next."""

    to_ingest: list[StreamEntry] = field(default_factory=list)
    stored: list[StreamEntry] = field(default_factory=list)
    rejected: list[tuple[StreamEntry, ServiceError]] = field(default_factory=list)


class _Consumer:
    """The state of reading one stream: what is in hand, and how long to wait after a refusal."""

    def __init__(
        self, components: Components, stream: IngestStream, read_entry: ReadEntry, stopping: asyncio.Event
    ) -> None:
        self.stopping = stopping
        self._components = components
        self._stream = stream
        self._read_entry = read_entry
        self._hand = _Hand()
        self._outages = OutageLog(logger)
        # Fewer at once than may wait for the device, so that the stream does not shut requests out.
        settings = components.settings
        self._places = max(1, min(settings.extraction_batch, settings.max_waiting // 4))
        self._pause_seconds = 0.0
        self._is_refused = False
        self._next_claim = 0.0
        self._is_proven = False
        self._problems = components.metrics.counter(
            "qaconv_stream_problems_total",
            "Tries that did not store an entry of the stream, by type of problem; it may be stored by another.",
            ["type"],
        )

    async def run(self) -> None:
        """Reads until `stopping` is set."""
        while not self._components.recovery.is_done and not self.stopping.is_set():
            await self._wait(_SHORTEST_PAUSE_SECONDS)
        while not self.stopping.is_set():
            try:
                await self._settle_hand()
                await self._refill_hand()
                await self._ingest_hand()
            except Unavailable as error:
                self._next_claim = 0.0  # looks after stream and group first, which may be gone
                self._refuse(error.detail)
            except Exception as error:
                # What is wrong now may be right later; what is in hand stays there.
                logger.exception("reading the stream failed in a way that nobody foresaw")
                self._refuse(repr(error))
            await self._wait(self._pause_seconds)
        with suppress(Unavailable):
            await self._settle_hand()

    async def keep_up(self) -> None:
        """Gives signs of life, measures the lag and removes dead consumers, until `stopping` is set."""
        seconds = min(_UPKEEP_SECONDS, self._stream.claim_seconds / 3)
        while not self.stopping.is_set():
            # The reading loop says what is wrong with this Redis; here it only shows in the lag.
            with suppress(Unavailable):
                try:
                    await self._stream.keep()
                    await self._stream.measure()
                    await self._stream.forget_dead_consumers()
                except Unavailable:
                    raise
                except Exception:
                    # Without signs of life others would take over what is in hand.
                    logger.exception("keeping what is in hand failed in a way that nobody foresaw; trying again")
            await self._wait(seconds)

    async def _settle_hand(self) -> None:
        """Acknowledges what is on disk and sets aside what never will be."""
        await self._stream.acknowledge(self._hand.stored)
        self._hand.stored.clear()
        kinds: Counter[str] = Counter()
        try:
            while self._hand.rejected:
                entry, error = self._hand.rejected[0]
                refusal = await self._stream.set_aside(entry, error)
                del self._hand.rejected[0]
                lost = "" if refusal is None else f" of {entry.entry_id}, which is not written down ({refusal})"
                kinds[error.slug + lost] += 1
        finally:
            if kinds:
                # One line for a round, so that a camera worker gone wrong does not flood the log.
                reasons = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
                logger.warning("entries were set aside: %s; see %s:rejected", reasons, self._stream.key)

    async def _refill_hand(self) -> None:
        room = self._places - len(self._hand.to_ingest)
        if self._is_refused or room <= 0:
            return
        if time.monotonic() >= self._next_claim:
            await self._stream.prepare()
            claimed = await self._stream.claim_abandoned(room)
            self._hand.to_ingest += [entry for entry in claimed if self._may_be_tried(entry)]
            if claimed:
                return  # there may be more
            self._next_claim = time.monotonic() + self._stream.claim_seconds / 4
        wait_seconds = 0.0 if self._hand.to_ingest else min(_LONGEST_READ_SECONDS, self._stream.claim_seconds / 4)
        self._hand.to_ingest += await self._stream.read_new(room, wait_seconds)

    def _may_be_tried(self, entry: StreamEntry) -> bool:
        """Whether an entry that was abandoned is no poison; it is, once others were stored and it never was."""
        if not entry.fields:
            self._hand.stored.append(entry)  # deleted by somebody while it was pending: nothing is left to store
            return False
        if entry.deliveries < _MAX_DELIVERIES:
            return True
        if self._is_proven:
            self._hand.rejected.append((entry, _never_finished(entry)))
        else:
            self._stream.let_go(entry)
        return False

    async def _ingest_hand(self) -> None:
        # After a refusal one entry finds out whether it is over; the others would only be decoded in vain.
        tried = self._hand.to_ingest[:1] if self._is_refused else self._hand.to_ingest
        kept = self._hand.to_ingest[len(tried) :]
        outcomes = dict(zip([entry.entry_id for entry in tried], await self._ingest(tried), strict=True))
        has_stored = "stored" in outcomes.values()
        self._is_refused = "refused" in outcomes.values()
        again: list[StreamEntry] = []
        for entry in tried:
            outcome = outcomes[entry.entry_id]
            if outcome == "stored":
                self._hand.stored.append(entry)
            elif isinstance(outcome, ServiceError):
                self._hand.rejected.append((entry, outcome))
            elif outcome == "failed" and has_stored:
                self._stream.let_go(entry)  # its neighbours went well: it comes again, and at last is set aside
            else:
                again.append(entry)
        self._hand.to_ingest = again + kept
        self._note(has_stored=has_stored, has_failed="failed" in outcomes.values())

    def _note(self, *, has_stored: bool, has_failed: bool) -> None:
        if has_stored:
            self._is_proven = True
        elif has_failed:
            self._is_proven = False
        if self._is_refused or (has_failed and not has_stored):
            self._lengthen_pause()
        else:
            self._pause_seconds = 0.0
            self._outages.succeeded()

    async def _ingest(self, entries: Sequence[StreamEntry]) -> list[_Outcome]:
        """What became of entries, in their order. Those of one detection ID are stored in the stream's order."""
        earlier: dict[str, asyncio.Task[_Outcome]] = {}
        tasks: list[asyncio.Task[_Outcome]] = []
        for entry in entries:
            try:
                detection = self._read(entry)
            except ServiceError as error:
                self._problems.labels(error.slug).inc()
                tasks.append(asyncio.create_task(_as_outcome(error)))
                continue
            assert detection.detection_id is not None
            before = earlier.get(detection.detection_id)
            with working_for([_context_of(entry)]):  # which the task takes along
                tasks.append(asyncio.create_task(self._ingest_after(before, detection)))
            earlier[detection.detection_id] = tasks[-1]
        return await asyncio.gather(*tasks)

    def _read(self, entry: StreamEntry) -> NewDetection:
        detection = self._read_entry(entry)
        if detection.detection_id is not None:
            return detection
        return replace(detection, detection_id=derive_detection_id(self._stream.key, entry.entry_id))

    async def _ingest_after(self, before: "asyncio.Task[_Outcome] | None", detection: NewDetection) -> _Outcome:
        if before is not None and (outcome := await before) in ("refused", "failed"):
            return outcome  # stored now, it would be replaced by the earlier one, which is tried again
        return await self._ingest_one(detection)

    async def _ingest_one(self, detection: NewDetection) -> _Outcome:
        try:
            async with asyncio.timeout(self._components.settings.request_timeout_seconds):
                await ingest_on_record(self._components, detection, _source())
        except ServiceError as error:
            self._problems.labels(error.slug).inc()
            if not _is_of_the_moment(error):
                return error
            self._outages.failed(f"entries of the stream cannot be stored now: {error.detail}")
            # An internal error may be of this entry alone, which would hold up all others for ever.
            return "failed" if error.status == ServiceError.status else "refused"
        except TimeoutError:
            self._problems.labels(RequestTimeout.slug).inc()
            self._outages.failed("entries of the stream cannot be stored now: the service did not do so in time")
            return "refused"
        except Exception as error:
            self._problems.labels(ServiceError.slug).inc()
            self._outages.failed(
                f"an entry of the stream failed in a way that nobody foresaw: {error!r}", exc_info=True
            )
            return "failed"
        return "stored"

    def _refuse(self, reason: str) -> None:
        self._outages.failed(reason)
        self._lengthen_pause()

    def _lengthen_pause(self) -> None:
        self._pause_seconds = min(max(_SHORTEST_PAUSE_SECONDS, 2 * self._pause_seconds), _LONGEST_PAUSE_SECONDS)

    async def _wait(self, seconds: float) -> None:
        """Waits, but not for longer than until `stopping` is set."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), seconds)


def _context_of(entry: StreamEntry) -> RequestContext:
    """An entry is a request whose ID is its own in the stream."""
    parent = entry.find("traceparent")
    return RequestContext(
        entry.entry_id, TraceContext.continue_from(None if parent is None else parent.decode(errors="replace"))
    )


def _source() -> Source:
    """The stream has no API keys: whoever may write to its Redis may ingest. The request is the entry."""
    return Source(key_id=None, key_name=None, address=None, request_id=current_request_id())


def _is_of_the_moment(error: ServiceError) -> bool:
    """Whether the same entry may be stored later: the service is busy, away or full."""
    return error.retry_after_seconds is not None or error.status >= 500


def _never_finished(entry: StreamEntry) -> ServiceError:
    return ServiceError(
        f"the entry was handed out {entry.deliveries} times and never finished, while others were stored: it ends the "
        "service, or fails in a way that nobody foresaw. The service's log may have the reason"
    )


async def _as_outcome(error: ServiceError) -> _Outcome:
    return error
