"""Which lines a fault that lasts makes."""

import logging

import pytest

from service.observability.outage_log import OutageLog


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_an_hour_of_failures_makes_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = OutageLog(logging.getLogger("service.test"), clock)
    with caplog.at_level(logging.INFO, "service.test"):
        log.succeeded()
        for _ in range(3600):
            log.failed("Redis is away")
            clock.seconds += 1
        log.succeeded()
        log.succeeded()
    assert len(caplog.messages) == 61
    assert caplog.messages[:2] == ["Redis is away; trying again", "Redis is away; trying again (for 60 s now)"]
    assert caplog.messages[-1] == "it works again, after 3600 s: Redis is away"


def test_another_reason_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    log = OutageLog(logging.getLogger("service.test"), Clock())
    for reason in ("away", "away", "loading", "away"):
        log.failed(reason)
    assert caplog.messages == ["away; trying again", "loading; trying again", "away; trying again"]
