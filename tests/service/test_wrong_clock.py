"""A service whose clock is wrong deletes nothing for its age until somebody confirms the clock."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from service.command_line.clock_command import clock_application
from service.main import main
from service.settings import Settings
from service.storage.clock_check import ClockCheck
from tests.service.drawn_crops import crop_file
from tests.service.running_application import RunningApplication, run_application
from tests.service.running_service import RunningService
from tests.service.storage.audit_writing import read_record

pytestmark = pytest.mark.anyio

DAY_SECONDS = 86_400


@dataclass
class MovedClock:
    """The machine's clock, some days off; `reads` counts how often it was looked at before something is deleted."""

    days: float = 0
    reads: int = 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    moved, time_ns, read = MovedClock(), time.time_ns, ClockCheck.read

    def count_and_read(self: ClockCheck) -> int | None:
        moved.reads += 1
        return read(self)

    monkeypatch.setattr(time, "time_ns", lambda: time_ns() + round(moved.days * DAY_SECONDS) * 10**9)
    monkeypatch.setattr(ClockCheck, "read", count_and_read)
    monkeypatch.setattr("service.erasure.apply_retention.SECONDS_BETWEEN_SWEEPS", 0.3)
    monkeypatch.setattr("service.audit.audit_upkeep._SECONDS_BETWEEN_RETRIES", 0.05)
    monkeypatch.setattr("service.audit.audit_upkeep._RETRIES_BETWEEN_HOURS", 2)
    return moved


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"retention_seconds": 30 * DAY_SECONDS, "audit_retention_days": 30})


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.02)


async def put_now(running: RunningApplication, detection_id: str) -> None:
    data = {"camera_id": "c", "timestamp": str(time.time())}
    path = f"/v1/detections/{detection_id}"
    assert (await running.client.put(path, data=data, files={"image": crop_file(1)})).status_code == 201


def events(settings: Settings) -> list[str]:
    return [entry["event"] for entry in read_record(settings.data_dir)]


@pytest.mark.parametrize("days", [400, -400])
async def test_a_start_with_a_wrong_clock_deletes_nothing_until_it_is_confirmed(
    settings: Settings, clock: MovedClock, days: float
) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        await put_now(running, "a")
    clock.days = days
    async with run_application(settings) as running:
        await running.wait_until_ready()
        clock.reads = 0
        await until(lambda: clock.reads > 15)
        assert running.components.store.count() == 1
        (warning,) = (await running.client.get("/readyz")).json()["warnings"]
        assert "400 days" in warning
        assert "qaconv-service clock confirm" in warning
        assert (await running.client.get("/v1/clock")).json()["doubt"] == warning
        wrong = await running.client.post("/v1/clock:confirm", json={"time": time.time()})
        assert (wrong.status_code, "set the clock" in wrong.json()["detail"]) == (409, True)
        assert running.components.store.count() == 1
        confirmed = await running.client.post("/v1/clock:confirm", json={"time": time.time_ns() / 1e9})
        assert (confirmed.status_code, confirmed.json()["doubt"]) == (200, None)
        assert "warnings" not in (await running.client.get("/readyz")).json()
        if days > 0:
            await until(lambda: {"retention", "audit_trimmed"} <= set(events(settings)))
            assert running.components.store.count() == 0
    told = [event for event in events(settings) if event not in ("started", "stopped")]
    assert told[:2] == ["clock_doubted", "clock_confirmed"]
    assert sorted(told[2:]) == (["audit_trimmed", "retention"] if days > 0 else [])


async def test_a_jump_while_it_runs_deletes_nothing_and_is_over_when_the_clock_is_right(
    settings: Settings, clock: MovedClock
) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        await put_now(running, "a")
        for _ in range(2):
            clock.days, clock.reads = 400, 0
            await until(lambda: clock.reads > 15)
            assert running.components.clock.doubt is not None
            clock.days, clock.reads = 0, 0
            await until(lambda: clock.reads > 15)
            assert running.components.clock.doubt is None
        assert running.components.store.count() == 1
    assert events(settings) == ["started", "clock_doubted", "clock_doubted", "stopped"]


async def test_what_is_not_json_or_no_time_is_refused(settings: Settings, clock: MovedClock) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        for body in ([], {}, {"time": "noon"}, {"time": 1, "more": 2}):
            answer = await running.client.post("/v1/clock:confirm", json=body)
            assert answer.status_code == 422


def test_the_command_shows_and_confirms(running_service: RunningService, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(["clock", *arguments, "--url", running_service.url])
        return int(caught.value.code or 0)

    assert run("show") == 0
    assert "it is believed" in capsys.readouterr().out
    assert run("confirm", "--time", str(time.time())) == 0
    assert "the clock is believed from now on: 20" in capsys.readouterr().out
    assert run("confirm", "--time", "2020-01-01T00:00:00Z") == 1
    assert "set the clock of the machine" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("\n", 1)])
def test_the_command_asks_where_no_time_is_given(running_service: RunningService, answer: str, status: int) -> None:
    result = CliRunner().invoke(clock_application, ["confirm", "--url", running_service.url], input=answer)
    assert result.exit_code == status
    assert "Is this the time now? What is too old by it will be erased" in result.output
