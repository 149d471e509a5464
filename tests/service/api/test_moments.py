from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.moments import parse_moment
from service.rfc_3339 import format_moment

END_US = 7_258_118_400_000_000


@pytest.mark.parametrize(
    ("value", "microseconds"),
    [
        ("0", 0),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:30:00.5-00:30", 500_000),
        ("2026-11-20T10:00:00Z", 1_795_168_800_000_000),
        ("2026-11-20t10:00:00z", 1_795_168_800_000_000),
        ("2026-11-20 10:00:00Z", 1_795_168_800_000_000),
        # As writers of ISO 8601 have it: no seconds, no separators, a comma, an offset without a colon or minutes.
        ("2026-11-20T10:00Z", 1_795_168_800_000_000),
        ("20261120T100000Z", 1_795_168_800_000_000),
        ("20261120T120000+0200", 1_795_168_800_000_000),
        ("2026-11-20T12:00:00+0200", 1_795_168_800_000_000),
        ("2026-11-20T12:00:00+02", 1_795_168_800_000_000),
        ("2026-11-20T10:00:00+00", 1_795_168_800_000_000),
        ("2026-11-20T04:30:00.5-0530", 1_795_168_800_500_000),
        ("2026-11-20t10:00:00,25z", 1_795_168_800_250_000),
        ("2026-11-20 10:00:00 UTC", 1_795_168_800_000_000),
        ("2026-11-20 11:00:00 +0100", 1_795_168_800_000_000),
        ("1795168800,25", 1_795_168_800_250_000),
        ("2026-11-20T12:00:00.000001+02:00", 1_795_168_800_000_001),
        ("2026-11-20T10:00:00.1Z", 1_795_168_800_100_000),
        # Nanoseconds, as many clients write them, are rounded down: also where floats would round up.
        ("2026-11-20T10:00:00.999999999Z", 1_795_168_800_999_999),
        ("1795168800.9999999", 1_795_168_800_999_999),
        ("1795168800.99999999999999999999999999999999999999", 1_795_168_800_999_999),
        # Not the same as int(float(text) * 1e6).
        ("1795168800.000003", 1_795_168_800_000_003),
        ("7258118399.999999", END_US - 1),
        ("2199-12-31T23:59:59.999999Z", END_US - 1),
        ("1.795e9", 1_795_000_000_000_000),
        ("1e-7", 0),
        (1_795_168_800, 1_795_168_800_000_000),
        (Decimal("1795168800.25"), 1_795_168_800_250_000),
        (Decimal("1.795e9"), 1_795_000_000_000_000),
        (Decimal("1e-999999"), 0),
    ],
)
def test_times_are_exact(value: object, microseconds: int) -> None:
    assert parse_moment(value) == microseconds


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("9999-01-01T00:00:00Z", "outside the times that are kept"),
        ("2200-01-01T00:00:00Z", "outside"),
        ("1969-12-31T23:59:59Z", "outside"),
        ("0001-01-01T00:00:00+23:59", "outside"),
        ("9999-12-31T23:59:59-23:59", "outside"),
        ("-1", "outside"),
        ("-0.000001", "outside"),
        ("7258118400", "outside"),
        (-1, "outside"),
        (Decimal("1e999999"), "outside"),
        (Decimal("NaN"), "outside"),
        (Decimal("Infinity"), "outside"),
        (10**4000, "outside"),
        ("nan", "is not a time"),
        ("inf", "is not a time"),
        ("1e999", "outside"),
        ("1e9999", "is not a time"),
        ("1_000", "is not a time"),
        (" 1", "is not a time"),
        ("1\n", "is not a time"),
        ("", "is not a time"),
        ("٣", "is not a time"),
        ("2026-11-20T10:00:00Z\n", "is not a time"),
        ("2026-11-20T10:00.5Z", "is not a time"),
        ("20261120 1000,5Z", "is not a time"),
        ("2026-W47-5T10:00:00Z", "is not a time"),
        ("20261120T100000", "has no offset"),
        ("2026-11-20T10:00:00,5", "has no offset"),
        ("2026-11-20T10:00:00 0200", "%2B"),
        ("2026-11-20T10:00:00 02", "%2B"),
        ("1790000000000", "it looks like milliseconds: divide by 1000"),
        (1790000000000, "it looks like milliseconds: divide by 1000"),
        ("1790000000123456", "it looks like microseconds: divide by 1000000"),
        ("1790000000123456789", "it looks like nanoseconds: divide by 1000000000"),
        ("2026-11-20T10:00:00", "has no offset"),
        ("2026-11-20", "has no offset"),
        ("2026-11-20T10:00:00 02:00", "%2B"),
        ("2026-02-30T10:00:00Z", "does not exist|that exists"),
        ("2026-11-20T10:00:60Z", "that exists"),
        ("2026-11-20T10:00:00+24:00", r"\+24:00"),
        ("2026-11-20T10:00:00+01:60", r"\+01:60"),
        ("1" * 65, "at most 64 characters"),
        (True, "RFC 3339"),
        (None, "RFC 3339"),
        (["1"], "RFC 3339"),
        (1.5, "RFC 3339"),
    ],
)
def test_what_is_no_time_is_refused_with_what_to_send(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_moment(value)


def test_messages_of_long_numbers_are_short() -> None:
    with pytest.raises(ValueError, match="outside") as caught:
        parse_moment(10**4000)
    assert len(str(caught.value)) < 250


@given(st.integers(0, END_US - 1))
def test_a_time_that_was_answered_can_be_sent(microseconds: int) -> None:
    assert parse_moment(format_moment(microseconds)) == microseconds


@given(st.integers(0, END_US - 1))
def test_the_standard_library_reads_what_is_answered(microseconds: int) -> None:
    moment = datetime.fromisoformat(format_moment(microseconds))
    assert moment.tzinfo == UTC
    assert format_moment(microseconds).endswith("Z")
    assert (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() == pytest.approx(microseconds / 1e6, abs=1e-5)


def test_times_are_answered_with_microseconds() -> None:
    assert format_moment(1_795_168_800_000_000) == "2026-11-20T10:00:00.000000Z"
    assert format_moment(7) == "1970-01-01T00:00:00.000007Z"
