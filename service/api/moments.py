"""Times as clients write them, RFC 3339 or Unix seconds, to integer microseconds; exact, without floats."""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal

from service.records import MICROSECONDS_PER_SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The first moment that is not kept any more: 2200-01-01T00:00:00Z.
END_OF_TIME_SECONDS = 7_258_118_400
_MAX_LENGTH = 64
# Rounds down in the product too, whatever the number of digits that were sent.
_ROUNDING_DOWN = Context(prec=40, rounding=ROUND_FLOOR)

_UNIX_SECONDS = re.compile(r"-?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]{1,3})?")
# RFC 3339, and what writers of ISO 8601 make of it: no seconds, a comma, no separators, an offset without a colon or
# without minutes.
_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})[Tt ]"
    r"(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2}|[0-9]{6}|[0-9]{2}:[0-9]{2}(?![.,])|[0-9]{4}(?![.,]))"
    r"([.,](?P<fraction>[0-9]+))?"
    r" ?(?P<offset>[Zz]|[+-][0-9]{2}(:?[0-9]{2})?|(UTC|GMT))"
)
_WITHOUT_OFFSET = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}([Tt ][0-9:.,]*)?")
_WITH_LOST_PLUS = re.compile(r"[0-9]{4}-.*[Tt ][0-9:.,]+ [0-9]{2}(:?[0-9]{2})?")
# Of Unix times in smaller units, the name and how many are a second.
_SMALLER_UNITS = (("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9))


def parse_moment(value: object) -> int:
    """Microseconds since the Unix epoch of what a client sent as a time.

    Args:
        value: text, RFC 3339 with an offset or Unix seconds; or a JSON number of Unix seconds, an int or a Decimal.
            What is finer than a microsecond is rounded down.

    Raises:
        ValueError: none of these, or not in [1970-01-01, 2200-01-01); says what to send.
    """
    if isinstance(value, str):
        microseconds = _parse_text(value)
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        microseconds = _from_seconds(Decimal(value))
    else:
        raise ValueError("a time is RFC 3339 with an offset, such as 2026-11-20T10:00:00Z, or Unix seconds")
    if not 0 <= microseconds < END_OF_TIME_SECONDS * MICROSECONDS_PER_SECOND:
        raise ValueError(_out_of_range(value))
    return microseconds


def _parse_text(text: str) -> int:
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"a time has at most {_MAX_LENGTH} characters, this one has {len(text)}")
    if _UNIX_SECONDS.fullmatch(text):
        return _from_seconds(Decimal(text.replace(",", ".")))
    found = _TIME.fullmatch(text)
    if found:
        return _from_date_and_time(text, found)
    if _WITH_LOST_PLUS.fullmatch(text):
        raise ValueError(f"{text!r} has a space before its offset: in a URL or a urlencoded form, write the + as %2B")
    if _WITHOUT_OFFSET.fullmatch(text):
        raise ValueError(f"{text!r} has no offset from UTC: write the whole time and add Z, or such as +02:00")
    raise ValueError(
        f"{text!r} is not a time: write RFC 3339 with an offset, such as 2026-11-20T10:00:00Z, or Unix seconds"
    )


def _from_seconds(seconds: Decimal) -> int:
    # Compared before it is multiplied: a number such as 1e999999 would need a million digits.
    if not seconds.is_finite() or not 0 <= seconds < END_OF_TIME_SECONDS:
        raise ValueError(_out_of_range(seconds))
    return int(_ROUNDING_DOWN.multiply(seconds, MICROSECONDS_PER_SECOND).to_integral_value(ROUND_FLOOR))


def _from_date_and_time(text: str, found: re.Match[str]) -> int:
    try:
        moment = datetime.fromisoformat(f"{found['date']}T{found['time']}").replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time that exists: {error}") from error
    fraction = int((found["fraction"] or "").ljust(6, "0")[:6])
    whole = (moment - _EPOCH) // timedelta(seconds=1) - _offset_seconds(text, found["offset"])
    return whole * MICROSECONDS_PER_SECOND + fraction


def _offset_seconds(text: str, offset: str) -> int:
    if offset.isalpha():
        return 0
    hours, minutes = int(offset[1:3]), int(offset[3:].removeprefix(":") or "0")
    if hours > 23 or minutes > 59:
        raise ValueError(f"{text!r} has the offset {offset}; offsets go from -23:59 to +23:59")
    seconds = hours * 3600 + minutes * 60
    return -seconds if offset[0] == "-" else seconds


def _out_of_range(value: object) -> str:
    shown = f"{value}"
    shown = shown if len(shown) <= _MAX_LENGTH else f"{shown[:_MAX_LENGTH]}…"
    limits = "is outside the times that are kept: from 1970-01-01T00:00:00Z to before 2200-01-01T00:00:00Z"
    unit = _smaller_unit(value)
    return f"{shown} {limits}" + (f"; it looks like {unit[0]}: divide by {unit[1]}" if unit else "")


def _smaller_unit(value: object) -> tuple[str, int] | None:
    """In which unit a number would be a time from 2001 to 2199, as most that are sent are."""
    if not isinstance(value, Decimal | int) or not Decimal(value).is_finite():
        return None
    for name, number in _SMALLER_UNITS:
        if 10**9 * number <= value < END_OF_TIME_SECONDS * number:
            return name, number
    return None
