"""A Redis client that times every command, and counts those that failed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError, WatchError

from service.observability.metrics import Metrics


class CommandTimes:
    """Seconds and errors by command. Commands are the program's own, and few; those of a pipeline count as one."""

    def __init__(self, metrics: Metrics) -> None:
        self._seconds = metrics.histogram(
            "qaconv_redis_command_duration_seconds", "Time until Redis answered a command or a pipeline.", ["command"]
        )
        self._errors = metrics.counter(
            "qaconv_redis_errors_total", "Commands that Redis refused or did not answer.", ["command", "error"]
        )

    @contextmanager
    def of(self, command: str) -> Iterator[None]:
        """Times the block. That another writer was first is no error."""
        began = time.perf_counter()
        try:
            yield
        except WatchError:
            raise
        except RedisError as error:
            self._errors.labels(command, type(error).__name__).inc()
            raise
        finally:
            self._seconds.labels(command).observe(time.perf_counter() - began)


class TimedRedis(Redis):
    """redis-py's client, timed."""

    _times: CommandTimes

    @classmethod
    def on(cls, pool: ConnectionPool, metrics: Metrics) -> Self:
        """A client that owns a pool: closing one closes the other."""
        client = cls(connection_pool=pool)
        client.auto_close_connection_pool = True
        client._times = CommandTimes(metrics)
        return client

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (as in redis-py)
        """Sends a command and waits for its answer."""
        with self._times.of(str(args[0])):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """A pipeline that is timed as a whole."""
        pipeline = _TimedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.times = self._times
        return pipeline


class _TimedPipeline(Pipeline):
    times: CommandTimes

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (as in redis-py)
        with self.times.of(str(args[0])):
            return await super().immediate_execute_command(*args, **options)  # type: ignore[no-untyped-call]

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        with self.times.of("MULTI" if self.is_transaction or self.explicit_transaction else "PIPELINE"):
            return await super().execute(raise_on_error)
