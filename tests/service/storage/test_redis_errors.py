import asyncio

import pytest
from redis import exceptions

from service.errors import Unavailable
from service.storage.redis_errors import redis_failures_are_unavailability


class Failing:
    """An index all of whose calls fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.is_mistrusted = False

    def mistrust(self) -> None:
        self.is_mistrusted = True

    @redis_failures_are_unavailability
    async def call(self) -> None:
        raise self.error


def failing(error: Exception) -> Failing:
    index = Failing(error)
    try:
        asyncio.run(index.call())
    finally:
        assert index.is_mistrusted == ("WRONGTYPE" in str(error))
    return index


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (exceptions.ConnectionError("refused"), r"cannot be reached.*QACONV_REDIS_URL.*\(refused\)"),
        (exceptions.AuthenticationError("wrong password"), "wrong password"),
        (exceptions.BusyLoadingError("LOADING"), "is loading"),
        (exceptions.TimeoutError("late"), "did not answer in time"),
        (exceptions.OutOfMemoryError("OOM"), "maxmemory"),
        (exceptions.ReadOnlyError("READONLY"), "replica"),
        (exceptions.NoPermissionError("NOPERM"), "access list"),
        (exceptions.MovedError("12 127.0.0.1:7001"), "is a cluster"),
        (exceptions.ClusterDownError("CLUSTERDOWN Hash slot not served"), "is a cluster"),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), "min-replicas-to-write"),
        (exceptions.ResponseError("BUSY Redis is busy running a script."), "SCRIPT KILL"),
        (exceptions.ResponseError("WRONGTYPE Operation against a key"), "being put right"),
        (exceptions.ResponseError("unknown command 'INFO', with args beginning with: "), "rename-command"),
        (exceptions.ResponseError("DB index is out of range"), "number at the end of QACONV_REDIS_URL"),
        (exceptions.ExecAbortError("Transaction discarded because of: NOREPLICAS Not enough"), "min-replicas"),
        (exceptions.ResponseError("ANYTHING that nobody knows yet"), r"refuses what the service asks.*\(ANYTHING that"),
        (exceptions.InvalidResponse("Protocol Error: b'HTTP/1.1 400'"), "refuses what the service asks"),
        (exceptions.MasterDownError("MASTERDOWN"), "cut off"),
        (exceptions.ResponseError("MISCONF Redis is configured to save"), "cannot save"),
        (
            exceptions.ResponseError("Command # 2 (SET k v) of pipeline caused error: ('MISCONF Redis is',)"),
            "cannot save",
        ),
    ],
)
def test_redis_being_away_is_unavailability(error: Exception, message: str) -> None:
    with pytest.raises(Unavailable, match=message):
        failing(error)


@pytest.mark.parametrize("error", [exceptions.DataError("x"), ValueError("y")])
def test_mistakes_of_the_program_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        failing(error)
    assert caught.value is error
