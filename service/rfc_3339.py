"""Times as text for people and programs: RFC 3339 in UTC."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_moment(microseconds: int) -> str:
    """RFC 3339, UTC, with microseconds, such as 2026-11-20T10:00:00.000000Z."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
