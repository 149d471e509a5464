"""What an error of Redis means to a request: the service is unavailable, and says why. The one place that decides it.

Every answer that is an error is of the moment: an operator, a failover or a script's end puts it right, and the request
may be sent again. Only what redis-py refuses to send (`DataError`) is a mistake of this program.
"""

from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    ConnectionError,
    DataError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)

from service.errors import Unavailable

_NOT_A_CLUSTER = (
    "the Redis of {setting} is a cluster, which the service cannot use, for its transactions and scripts span keys: "
    "give it a single Redis, or the primary of one with replicas"
)
_NOT_A_SENTINEL = (
    "the Redis of {setting} is a Sentinel, which holds no data: give the address of the primary that it watches"
)
_REFUSED = "Redis refuses what the service asks: see its log and its settings"

# The more special first.
_MEANINGS: tuple[tuple[type[RedisError], str], ...] = (
    (BusyLoadingError, "Redis is loading its data: try again in a while"),
    (AuthenticationError, "Redis refuses the user or the password of {setting}"),
    (MovedError, _NOT_A_CLUSTER),
    (AskError, _NOT_A_CLUSTER),
    (ClusterCrossSlotError, _NOT_A_CLUSTER),
    (MasterDownError, "Redis is a replica that is cut off from its primary: set {setting} to the primary"),
    (ClusterDownError, _NOT_A_CLUSTER),
    (ConnectionError, "Redis cannot be reached: see that it runs and that {setting} is right"),
    (TimeoutError, "Redis did not answer in time: see whether it is overloaded or stopped"),
    (OutOfMemoryError, "Redis is out of memory: raise its maxmemory"),
    (ReadOnlyError, "Redis accepts no writes because it is a replica: set {setting} to the primary"),
    (NoPermissionError, "Redis refuses a command to this user: see its access list (ACL)"),
)
# Answers that redis-py has no class for, or calls by another's name, by what they begin with.
_REFUSALS = {
    "MISCONF": "Redis accepts no writes because it cannot save: see its log and its disk",
    "NOREPLICAS": "Redis accepts no writes because too few replicas follow it: see its min-replicas-to-write",
    "BUSY ": "a script runs in Redis and blocks it: wait, or end it with SCRIPT KILL",
    "WRONGTYPE": "a key of the service holds something else than the service put there; it is being put right",
    "OOM": "Redis is out of memory: raise its maxmemory",
    "Authentication required": "Redis refuses the user or the password of {setting}",
    "unknown command": "Redis does not know a command that the service needs: see its version and rename-command",
    "DB index is out of range": "Redis has no database of the number at the end of {setting}: see its databases",
}

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class MistrustfulIndex(Protocol):
    """What has to be told that keys in Redis are not as they were left."""

    def mistrust(self) -> None:
        """Compare Redis with the disk before it is believed again."""


Index = TypeVar("Index", bound=MistrustfulIndex)


def redis_failures_are_unavailability(
    method: Callable[Concatenate[Index, Parameters], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Index, Parameters], Coroutine[Any, Any, Result]]:
    """Make a method raise Unavailable where Redis answers with an error, or not at all."""

    @wraps(method)
    async def guarded(self: Index, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return await method(self, *args, **kwargs)
        except DataError:
            raise
        except RedisError as error:
            if is_of_other_type(error):
                self.mistrust()
            raise Unavailable(describe_redis_error(error, "QACONV_REDIS_URL")) from error

    return guarded


def is_of_other_type(error: Exception) -> bool:
    """Whether a key holds another type than the command is for."""
    return _own_words(error).startswith("WRONGTYPE")


def describe_redis_error(error: RedisError, setting: str) -> str:
    """What an error means and what to do, with Redis' own words; `setting` is the variable that holds the URL."""
    return f"{_meaning(error).format(setting=setting)} ({_own_words(error)})"


def why_unsuitable(server: Mapping[str, Any], setting: str) -> str | None:
    """Why a Redis of this kind, as INFO tells it, is of no use, now and later; None where it is of use."""
    reason = {"cluster": _NOT_A_CLUSTER, "sentinel": _NOT_A_SENTINEL}.get(str(server.get("redis_mode")))
    return None if reason is None else reason.format(setting=setting)


def _meaning(error: RedisError) -> str:
    words = _own_words(error)
    for begin, meaning in _REFUSALS.items():
        if words.startswith(begin):
            return meaning
    return next((meaning for kind, meaning in _MEANINGS if isinstance(error, kind)), _REFUSED)


def _own_words(error: Exception) -> str:
    """What Redis said, without what stands before it: of a command in a pipeline, redis-py puts the command there, and
    Redis itself says of a transaction that it was discarded.
    """
    words = str(error).rpartition("of pipeline caused error: ")[2].strip("()'\",")
    return words.rpartition("Transaction discarded because of: ")[2].removeprefix("ERR ")
