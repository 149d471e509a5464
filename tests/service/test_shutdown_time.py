"""One time for all that is in flight."""

from service.shutdown_time import ShutdownTime


def test_it_begins_once_and_runs_out() -> None:
    now = [100.0]
    shutdown = ShutdownTime(10, lambda: now[0])
    now[0] = 200.0
    assert (shutdown.seconds_left, shutdown.has_begun.is_set()) == (10, False)
    shutdown.begin()
    now[0] = 204.0
    shutdown.begin()
    assert (shutdown.seconds_left, shutdown.has_begun.is_set()) == (6, True)
    now[0] = 300.0
    assert shutdown.seconds_left == 0
