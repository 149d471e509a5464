"""The stream in Redis that camera workers append detections to, read by a consumer group.

    {stream_key}            stream  entries that are not stored yet
    {stream_key}:rejected   stream  why entries were set aside, the last 10,000

An entry is handed to one consumer and stays *pending* until it is acknowledged. It is deleted with the acknowledgement,
so that no picture stays in Redis that an erasure would not reach: a stream has one group. What a consumer held that
died goes to another, or to its successor, once it has shown no sign of life for a while.
"""

import os
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from service.errors import ServiceError, Unavailable
from service.storage.redis_errors import describe_redis_error, why_unsuitable
from service.storage.redis_url import require_redis_url
from service.storage.stream_entry import StreamEntry, describe_rejection

_SETTING = "QACONV_STREAM_REDIS_URL"
_REJECTED_KEPT = 10_000
_DEAD_CONSUMER_SECONDS = 24 * 3600
_ANSWER_SECONDS = 5.0

# An entry that was handed out so often and never finished is suspected of ending its consumer: it is tried alone, so
# that no other is taken down, and counted, with it.
_SUSPICIOUS_DELIVERIES = 2

# Entries left, those pending, milliseconds since the oldest was appended: of one moment. The oldest entry itself, with
# its picture, stays where it is.
_MEASURE = """
local now = redis.call('TIME')
local left = redis.call('XLEN', KEYS[1])
local pending = redis.call('XPENDING', KEYS[1], ARGV[1])[1]
local age = 0
if left > 0 then
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1][1]
  age = now[1] * 1000 + math.floor(now[2] / 1000) - tonumber(string.match(oldest, '^%d+'))
end
return {left, pending, age}
"""

# Scripts and no transactions, because a Redis without memory refuses those whatever is in them, and what fills it would
# never be acknowledged.
_ACKNOWLEDGE = """
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
"""
_SET_ASIDE = """
local written = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 4))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return type(written) == 'table' and written['err'] or nil
"""

# In one step, because a consumer that is removed takes along what it was handed in between, and that would be lost.
_FORGET = """
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for place = 1, #fields, 2 do consumer[fields[place]] = fields[place + 1] end
  local is_meant = ARGV[3] == '' or consumer['name'] == ARGV[3]
  if is_meant and consumer['pending'] == 0 and consumer['idle'] >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer['name'])
  end
end
"""


@dataclass(slots=True)
class StreamLag:
    """How far behind the stream this service is, as of the last measurement.

    Attributes:
        is_connected: whether the stream's Redis answered last; else the others are of before.
        waiting: entries that were handed to no consumer yet.
        pending: entries that consumers have in hand, those of dead ones included.
        oldest_seconds: since the oldest entry that is not stored yet was appended, by its ID; 0 where there is none.
        stored: entries that this process stored and acknowledged.
        rejected: entries that this process set aside.
    """

    is_connected: bool = False
    waiting: int = 0
    pending: int = 0
    oldest_seconds: float = 0.0
    stored: int = 0
    rejected: int = 0


class IngestStream:
    """One consumer of a stream's group. Every method raises Unavailable where Redis is away or refuses."""

    def __init__(self, client: Redis, key: str, group: str, claim_seconds: float) -> None:
        self._client = client
        self._group = group
        self._claim_ms = int(claim_seconds * 1000)
        self._in_hand: set[str] = set()
        self.key = key
        self.claim_seconds = claim_seconds
        self.consumer = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self.lag = StreamLag()

    @classmethod
    def connect(cls, url: str, key: str, group: str, claim_seconds: float) -> Self:
        """A consumer with a name of its own; connections are made when needed.

        Args:
            url: where the stream's Redis (6.2 or later) is.
            key: of the stream.
            group: that reads it; made when it is not there.
            claim_seconds: time without a sign of life after which another's entries are taken over.

        Raises:
            ValueError: this is no URL of a Redis.
        """
        require_redis_url(url, _SETTING)
        client = Redis.from_url(
            url,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            # A command that is sent twice could hand out entries whose first answer was lost.
            retry=Retry(NoBackoff(), 0),
            decode_responses=False,
            protocol=2,
        )
        for command in ("XREADGROUP", "XCLAIM"):
            client.set_response_callback(command, _as_it_is)  # the library's own would drop repeated fields
        return cls(client, key, group, claim_seconds)

    async def refuse_unsuitable(self) -> None:
        """Passes where this is a Redis that a stream can be in, or does not answer now.

        Raises:
            ValueError: it is a cluster or a Sentinel, which stays so.
        """
        with suppress(Unavailable):
            async with self._guarded():
                server = await self._client.info("server")
            if (reason := why_unsuitable(server, _SETTING)) is not None:
                raise ValueError(reason)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def prepare(self) -> None:
        """Make stream and group where they are not there, to be read from the first entry on.

        Raises:
            Unavailable: as always; or another group reads the stream, too.
        """
        async with self._guarded():
            try:
                await self._client.xgroup_create(self.key, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
            groups = {_text(group["name"]) for group in await self._client.xinfo_groups(self.key)}
        if others := sorted(groups - {self._group}):
            raise Unavailable(
                f"the stream {self.key} is read by the groups {', '.join(others)} too, which would lose the entries "
                f"that are deleted once stored: give each group a stream of its own, or XGROUP DESTROY the others"
            )

    async def read_new(self, count: int, wait_seconds: float) -> list[StreamEntry]:
        """At most `count` entries that nobody was handed yet; waits (below 5 s) for the first of them."""
        block = ["BLOCK", max(1, int(wait_seconds * 1000))] if wait_seconds > 0 else []
        arguments = ["GROUP", self._group, self.consumer, "COUNT", count, *block, "STREAMS", self.key, ">"]
        async with self._guarded():
            answer = await self._client.execute_command("XREADGROUP", *arguments)  # type: ignore[no-untyped-call]
        return self._take([StreamEntry.parse(each) for _, entries in answer or [] for each in entries])

    async def claim_abandoned(self, count: int) -> list[StreamEntry]:
        """Entries whose consumers have died, at most `count`; one of which nobody ever finished comes alone."""
        async with self._guarded():
            pending = await self._client.xpending_range(
                self.key, self._group, min="-", max="+", count=count, idle=self._claim_ms
            )
            deliveries = {each["message_id"]: int(each["times_delivered"]) for each in pending}
            wanted = [each for each, times in deliveries.items() if times < _SUSPICIOUS_DELIVERIES]
            wanted = wanted or list(deliveries)[:1]
            if not wanted:
                return []
            claim = (self.key, self._group, self.consumer, self._claim_ms)
            answer = await self._client.execute_command("XCLAIM", *claim, *wanted)  # type: ignore[no-untyped-call]
        # What another has claimed in between is not answered, nor, by Redis 6.2 as nothing, what was deleted.
        return self._take([StreamEntry.parse(each, deliveries[each[0]] + 1) for each in answer if each])

    async def keep(self) -> None:
        """Give a sign of life for everything in hand, so that nobody takes it over."""
        if in_hand := sorted(self._in_hand):
            async with self._guarded():
                await self._client.xclaim(self.key, self._group, self.consumer, 0, in_hand, justid=True)  # type: ignore[arg-type]

    def let_go(self, entry: StreamEntry) -> None:
        """Leave an entry pending without a sign of life: it is handed out again in a while, and counted."""
        self._in_hand.discard(entry.entry_id)

    async def acknowledge(self, entries: Sequence[StreamEntry]) -> None:
        """Say that entries are on disk, and delete them."""
        if not entries:
            return
        entry_ids = [entry.entry_id for entry in entries]
        async with self._guarded():
            await self._evaluate(_ACKNOWLEDGE, [self.key], self._group, *entry_ids)
        self._in_hand.difference_update(entry_ids)
        self.lag.stored += len(entry_ids)

    async def set_aside(self, entry: StreamEntry, error: ServiceError) -> str | None:
        """Write down why an entry cannot be stored, and delete it, in one step.

        Returns:
            None; or why Redis did not take the reason, as when it has no memory. The entry is deleted all the same,
            for it may be the ones like it that fill the memory.
        """
        keys = [self.key, f"{self.key}:rejected"]
        reason = [part for pair in describe_rejection(entry, error).items() for part in pair]
        async with self._guarded():
            refusal = await self._evaluate(_SET_ASIDE, keys, self._group, entry.entry_id, _REJECTED_KEPT, *reason)
        self._in_hand.discard(entry.entry_id)
        self.lag.rejected += 1
        return None if refusal is None else _text(refusal).strip()

    async def measure(self) -> None:
        """Bring `lag` up to date."""
        self.lag.is_connected = False
        async with self._guarded():
            left, pending, age_ms = await self._evaluate(_MEASURE, [self.key], self._group)
        self.lag.is_connected = True
        self.lag.waiting, self.lag.pending = max(0, left - pending), pending
        self.lag.oldest_seconds = max(0.0, age_ms / 1000)

    async def forget_dead_consumers(self) -> None:
        """Remove the names of consumers that have nothing in hand and gave no sign of life for a day."""
        async with self._guarded():
            await self._evaluate(_FORGET, [self.key], self._group, _DEAD_CONSUMER_SECONDS * 1000, "")

    async def leave(self) -> None:
        """Remove this consumer's own name, unless it has entries in hand that others have to be given first."""
        async with self._guarded():
            await self._evaluate(_FORGET, [self.key], self._group, 0, self.consumer)

    async def _evaluate(self, script: str, keys: Sequence[str], *arguments: str | int) -> Any:  # noqa: ANN401 (whatever the script returns)
        return await self._client.eval(script, len(keys), *keys, *arguments)

    def _take(self, entries: Iterable[StreamEntry]) -> list[StreamEntry]:
        taken = list(entries)
        self._in_hand.update(entry.entry_id for entry in taken)
        return taken

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        try:
            yield
        except RedisError as error:
            raise Unavailable(f"the stream {self.key}: {describe_redis_error(error, _SETTING)}") from error


def _as_it_is(response: Any, **_: Any) -> Any:  # noqa: ANN401 (the library's interface)
    return response


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
