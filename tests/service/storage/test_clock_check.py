"""A clock that jumps is doubted, across starts too, and believed again when it is right or confirmed."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.errors import OtherTime
from service.storage.clock_check import ClockCheck
from tests.service.storage.audit_writing import HeldClock, write_record

pytestmark = pytest.mark.anyio

DAY_SECONDS = 86_400


@dataclass
class Machine:
    """A machine with a time of day and an uptime, and services that run on it one after the other."""

    directory: Path
    clock: HeldClock
    uptime_us: int = 5

    def start(self, standstill_seconds: int = DAY_SECONDS) -> ClockCheck:
        return ClockCheck.open(self.directory, standstill_seconds, self.clock, lambda: self.uptime_us)

    def run(self, days: float) -> None:
        """Time passes."""
        self.uptime_us += round(days * DAY_SECONDS * 1_000_000)
        self.clock.pass_days(days)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "audit").mkdir(exist_ok=True)
    return Machine(tmp_path, HeldClock())


def test_a_clock_that_goes_on_is_believed(machine: Machine) -> None:
    check = machine.start()
    for days in (0, 0.001, 3, 400):
        machine.run(days)
        assert check.read() == machine.clock.now_us
        assert check.doubt is None


@pytest.mark.parametrize("days", [400, 1 / 24, -1 / 24, -400], ids=lambda days: f"{days:.2f} days")
def test_a_jump_while_it_runs(machine: Machine, days: float, caplog: pytest.LogCaptureFixture) -> None:
    check = machine.start()
    machine.run(2)
    before_us = check.read()
    assert before_us is not None
    machine.clock.pass_days(days)
    for _ in range(3):
        assert check.read() is None
        machine.run(1)
    assert ("ahead of" if days > 0 else "behind") in str(check.doubt)
    assert sum("it was last believed at 2026-11-22T10:00:00" in line for line in caplog.messages) == 1
    machine.clock.pass_days(-days)  # a time server puts it right
    assert check.read() == before_us + 3 * DAY_SECONDS * 1_000_000
    assert check.doubt is None


def test_what_a_time_server_corrects_is_no_jump(machine: Machine) -> None:
    check = machine.start()
    for seconds in (599, -599, 300):
        machine.clock.pass_days(seconds / DAY_SECONDS)
        assert check.read() == machine.clock.now_us


@pytest.mark.parametrize(
    ("days", "is_believed"),
    [(0.9, True), (1.1, False), (400, False), (-0.001, True), (-0.1, False), (-400, False)],
)
def test_a_jump_between_two_runs(machine: Machine, days: float, is_believed: bool) -> None:
    machine.start()
    machine.clock.pass_days(days)
    machine.uptime_us = 1  # the machine was started anew
    check = machine.start()
    assert (check.doubt is None) == is_believed
    assert (check.read() is not None) == is_believed


def test_the_longest_standstill_is_a_setting(machine: Machine) -> None:
    machine.start()
    machine.clock.pass_days(3)
    assert machine.start(4 * DAY_SECONDS).doubt is None


def test_a_doubt_stays_through_starts_until_the_clock_is_right(machine: Machine) -> None:
    machine.start()
    machine.clock.pass_days(400)
    for _ in range(3):
        assert machine.start().doubt is not None
        machine.run(0.1)
    machine.clock.pass_days(-400)
    assert machine.start().doubt is None


def test_a_doubt_at_a_start_ends_when_the_clock_is_put_right(machine: Machine) -> None:
    machine.start()
    machine.clock.pass_days(400)
    check = machine.start()
    machine.run(0.01)
    assert check.read() is None
    machine.clock.pass_days(-400)
    assert check.read() == machine.clock.now_us


def test_a_jump_while_it_runs_is_still_one_after_a_start(machine: Machine) -> None:
    check = machine.start()
    machine.clock.pass_days(400)
    assert check.read() is None
    assert machine.start().doubt is not None


@pytest.mark.parametrize("days", [400, -400])
def test_somebody_vouches_for_the_clock(machine: Machine, days: float) -> None:
    machine.start()
    machine.clock.pass_days(days)
    check = machine.start()
    with pytest.raises(OtherTime, match="set the clock of the machine"):
        check.confirm(machine.clock.now_us + 601_000_000)
    assert check.read() is None
    assert check.confirm(machine.clock.now_us - 599_000_000) == machine.clock.now_us
    assert check.doubt is None
    machine.run(1)
    assert check.read() == machine.clock.now_us
    assert machine.start().doubt is None


async def test_without_a_note_the_audit_record_says_when_it_last_ran(machine: Machine) -> None:
    await write_record(machine.directory, days=2)
    machine.clock.pass_days(1.5)
    assert machine.start().doubt is None
    (machine.directory / "last_time").unlink()
    machine.clock.pass_days(1)
    assert machine.start().doubt is not None


async def test_a_note_that_is_no_time_is_as_none(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.start()
    for content in (b"", b"yesterday", b"\xff\x00"):
        (machine.directory / "last_time").write_bytes(content)
        assert machine.start().doubt is None
    assert "does not hold a time" in caplog.text


def test_a_disk_that_takes_no_note_does_not_stop_the_clock(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    check = machine.start()

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("service.storage.clock_check.write_file", full)
    machine.run(1)
    assert check.read() == machine.clock.now_us
    assert "was not noted" in caplog.text
