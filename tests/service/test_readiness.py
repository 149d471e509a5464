"""When the service says that it can answer, and what it says is missing."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import pytest

from service.components import Components, RecoveryState, open_components
from service.errors import Unavailable
from service.inference.device_worker import Operation
from service.readiness import check_readiness, require_recovered
from service.settings import Settings
from tests.service.stored_crops import draw_record

pytestmark = pytest.mark.anyio


def with_check(components: Components, function: Callable[[list[None]], list[bool]]) -> Components:
    return replace(components, operations=replace(components.operations, check=Operation("check", function)))


def fail(_: list[None]) -> NoReturn:
    raise OSError("the driver is gone")


async def test_a_recovered_service_is_ready(components: Components) -> None:
    assert await check_readiness(components) == []
    require_recovered(components)


async def test_before_recovery_it_says_how_far_it_is(components: Components) -> None:
    starting = replace(components, recovery=RecoveryState(progress="5 of 7 detections on the device"))
    (missing,) = await check_readiness(starting)
    assert missing == "the gallery is not recovered: 5 of 7 detections on the device"
    with pytest.raises(Unavailable, match="starting: 5 of 7"):
        require_recovered(starting)


async def test_a_device_that_answers_wrongly_or_not_at_all_is_missing(components: Components) -> None:
    (missing,) = await check_readiness(with_check(components, lambda askers: [False] * len(askers)))
    assert missing == "the device gives a wrong answer to a known question"
    (missing,) = await check_readiness(with_check(components, fail))
    assert missing == "the device fails: the driver is gone"


async def test_everything_that_is_missing_is_said(settings: Settings) -> None:
    gone = settings.model_copy(update={"redis_url": f"unix://{settings.data_dir}/nowhere.sock"})
    async with open_components(gone) as components:
        components.writer._unsettled.add("a")
        await asyncio.to_thread(components.worker.close)
        await asyncio.to_thread(components.store.close)
        missing = await check_readiness(components)
    assert [line.split(":")[0] for line in missing] == [
        "the gallery is not recovered",
        "Redis cannot be reached",
        "1 writes are on disk and not yet in Redis or on the device",
        "the thread that writes to the disk has ended",
        "the device thread has ended",
    ]


async def test_a_full_queue_is_a_busy_service_and_not_a_broken_one(settings: Settings) -> None:
    async with open_components(settings.model_copy(update={"max_waiting": 1})) as components:
        components.recovery.is_done = True
        puts = [components.writer.put(draw_record(components, f"d{number}")) for number in range(5)]
        answers = asyncio.gather(*puts, return_exceptions=True)
        assert [line for line in await check_readiness(components) if "device" in line] == []
        await answers
