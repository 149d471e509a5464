"""Times in a manifest: RFC 3339 or Unix seconds, as `qaconv-service ingest` takes them."""

import re
from datetime import UTC, datetime

EXPECTED = "RFC 3339 with an offset, such as 2026-11-20T10:00:00Z, or Unix seconds, from 1970 to before 2200"
END_SECONDS = datetime(2200, 1, 1, tzinfo=UTC).timestamp()
_UNIX_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_manifest_time(text: str) -> float:
    """Unix seconds of a time.

    Raises:
        ValueError: it is not what `EXPECTED` says; says why, without the text.
    """
    if _UNIX_SECONDS.fullmatch(text):
        seconds = float(text)
    elif _RFC_3339.fullmatch(text):
        seconds = datetime.fromisoformat(text.upper()).timestamp()
    else:
        raise ValueError("not a time")
    # Milliseconds are refused here, which lifting would otherwise take for people years apart.
    if not 0 <= seconds < END_SECONDS:
        raise ValueError("not from 1970 to before 2200")
    return seconds
