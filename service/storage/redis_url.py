"""URLs of a Redis, checked before they are used. Nothing of a URL stands in a message: it may hold a password."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

_SCHEMES = ("redis", "rediss", "unix")
_HOW_TO_WRITE_ONE = (
    "write redis://host:6379/0, rediss://host:6379/0 (TLS) or unix:///path/redis.sock, a user and a password as "
    "redis://user:password@host, with % for special characters of these (%23 for #, %2F for /, %3F for ?, %40 for @, "
    "%25 for %)"
)


def require_redis_url(url: str, setting: str) -> None:
    """Passes where a URL names a Redis as the service can use one.

    Args:
        url: what an operator set.
        setting: the variable that it was set by.

    Raises:
        ValueError: names the setting and what is wrong with the URL, and quotes nothing of it.
    """
    fault = _find_fault(url)
    if fault is not None:
        raise ValueError(f"{setting} {fault}: {_HOW_TO_WRITE_ONE}")


def _find_fault(url: str) -> str | None:
    if re.search(r"[\s\x00-\x1f]", url):
        return "has a space or a line's end in it"
    scheme, separator, _ = url.partition("://")
    if "sentinel" in scheme:
        return "names a Sentinel, which the service does not ask: give the address of the primary that it watches"
    if not separator or scheme not in _SCHEMES:
        return "begins with none of redis://, rediss:// and unix://"
    if re.search(r"%(?![0-9A-Fa-f]{2})", url):
        return "has a % that begins no special character"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "has no port that is a number from 0 to 65535, or a bracket that is not closed"
    if parts.fragment or "#" in url:
        return "has a # in it"
    if url.count("@") > 1:
        return "has more than one @"
    if "@" in parts.path or "@" in parts.query:
        return "has a / or a ? before its @"
    place_fault = _find_fault_of_place(scheme, parts.hostname, unquote(parts.path))
    return place_fault or _find_fault_of_options(url)


def _find_fault_of_place(scheme: str, host: str | None, path: str) -> str | None:
    if scheme == "unix":
        return None if path.strip("/") else "names no socket"
    if not host:
        return "names no host"
    if not re.fullmatch(r"/?[0-9]*", path):
        return "has something else than the number of a database behind the host"
    return None


def _find_fault_of_options(url: str) -> str | None:
    """The library says what it does not know, or cannot read, when a connection is made; it is not opened here."""
    try:
        options = parse_qs(urlsplit(url).query, strict_parsing=True) if "?" in url else {}
        if options.keys() & {"host", "port", "path", "username", "password"}:
            return "says behind the ? where Redis is, or with which password: that stands before it"
        ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, AttributeError, RedisError):
        return "has an option behind the ? that redis-py does not know, or not with this value"
    return None
