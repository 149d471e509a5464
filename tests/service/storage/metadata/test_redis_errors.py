import asyncio

import pytest
from redis import exceptions

from service.errors import Unavailable
from service.storage.metadata.redis_errors import redis_failures_are_unavailability


def failing(error: Exception) -> None:
    @redis_failures_are_unavailability
    async def fail() -> None:
        raise error

    asyncio.run(fail())


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


@pytest.mark.parametrize("error", [exceptions.ResponseError("WRONGTYPE"), exceptions.DataError("x"), ValueError("y")])
def test_mistakes_of_the_program_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        failing(error)
    assert caught.value is error
