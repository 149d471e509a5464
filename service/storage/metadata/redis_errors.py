"""What Redis being away means to a request: the service is unavailable, and says why. The one place that decides it."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from service.errors import Unavailable

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# The more special first. What is not listed is a mistake of the program and is not dressed up as anything else.
_MEANINGS: tuple[tuple[type[RedisError], str], ...] = (
    (BusyLoadingError, "Redis is loading its data: try again in a while"),
    (ConnectionError, "Redis cannot be reached: see that it runs and that QACONV_REDIS_URL is right"),
    (TimeoutError, "Redis did not answer in time: see whether it is overloaded or stopped"),
    (OutOfMemoryError, "Redis is out of memory: raise its maxmemory"),
    (ReadOnlyError, "Redis accepts no writes because it is a replica: set QACONV_REDIS_URL to the primary"),
    (NoPermissionError, "Redis refuses a command to this user: see its access list"),
    (ClusterDownError, "Redis is cut off from its primary: try again in a while"),
)
# Answers that redis-py has no class for, by the word they begin with.
_REFUSALS = {"MISCONF": "Redis accepts no writes because it cannot save: see its log and its disk"}


def redis_failures_are_unavailability(
    function: Callable[Parameters, Coroutine[Any, Any, Result]],
) -> Callable[Parameters, Coroutine[Any, Any, Result]]:
    """Make a coroutine function raise Unavailable where Redis is away, full, read-only or too slow."""

    @wraps(function)
    async def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return await function(*args, **kwargs)
        except RedisError as error:
            raise (_unavailability(error) or error) from error

    return guarded


def _unavailability(error: RedisError) -> Unavailable | None:
    for kind, meaning in _MEANINGS:
        if isinstance(error, kind):
            return Unavailable(f"{meaning} ({error})")
    if isinstance(error, ResponseError):
        for word, meaning in _REFUSALS.items():
            if _own_words(error).startswith(word):
                return Unavailable(f"{meaning} ({error})")
    return None


def _own_words(error: ResponseError) -> str:
    """What Redis said; of a command in a pipeline, redis-py puts the command before it."""
    return str(error).rpartition("of pipeline caused error: (")[2].lstrip("'\"")
