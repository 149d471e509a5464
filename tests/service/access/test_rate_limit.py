import pytest

from service.access.rate_limit import RateLimiter


def test_a_minutes_worth_at_once_and_then_one_at_a_time() -> None:
    limiter = RateLimiter()
    assert [limiter.take("a", 5, 100.0) for _ in range(5)] == [0.0] * 5
    # Five a minute are one each twelve seconds.
    assert limiter.take("a", 5, 100.0) == pytest.approx(12.0)
    assert limiter.take("a", 5, 109.0) == pytest.approx(3.0)
    assert limiter.take("a", 5, 112.0) == 0.0
    assert limiter.take("a", 5, 112.0) == pytest.approx(12.0)


def test_refused_requests_cost_nothing() -> None:
    limiter = RateLimiter()
    assert limiter.take("a", 1, 0.0) == 0.0
    for second in range(1, 60):
        assert limiter.take("a", 1, float(second)) == pytest.approx(60.0 - second)
    assert limiter.take("a", 1, 60.0) == 0.0


def test_a_bucket_does_not_overflow() -> None:
    limiter = RateLimiter()
    assert limiter.take("a", 2, 0.0) == 0.0
    assert [limiter.take("a", 2, 1e6) for _ in range(2)] == [0.0, 0.0]
    assert limiter.take("a", 2, 1e6) == pytest.approx(30.0)


def test_keys_do_not_share() -> None:
    limiter = RateLimiter()
    assert limiter.take("a", 1, 0.0) == 0.0
    assert limiter.take("a", 1, 0.0) > 0
    assert limiter.take("b", 1, 0.0) == 0.0


def test_in_the_long_run_it_is_exactly_the_rate() -> None:
    limiter = RateLimiter()
    # A client that asks ten times a second for ten minutes: 60 at once, and 60 in each minute.
    passed = sum(limiter.take("a", 60, tick / 10) == 0.0 for tick in range(6000))
    assert passed == 60 + 599


def test_a_lower_rate_counts_at_once() -> None:
    limiter = RateLimiter()
    assert limiter.take("a", 600, 0.0) == 0.0
    assert [limiter.take("a", 2, 0.0) for _ in range(2)] == [0.0, 0.0]
    assert limiter.take("a", 2, 0.0) == pytest.approx(30.0)
