"""Reads JSON that clients send, strictly: no NaN, no name twice in an object, decimal numbers kept exact."""

import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import Request

from service.errors import LimitExceeded, MalformedBody, UnsupportedBody

_JSON = "application/json"
# A filter of five fields, many times over. JSON is read on the event loop: meanwhile nobody else is answered.
_MAX_BODY_BYTES = 2**16


async def read_json_body(request: Request) -> Any:  # noqa: ANN401 (JSON may be anything)
    """The body of a request.

    Raises:
        UnsupportedBody: its Content-Type is not JSON. Text that a foreign web page may post without being asked is
            thereby refused.
        LimitExceeded: it is longer than any body that makes sense.
        MalformedBody: it is not JSON.
    """
    sent = request.headers.get("content-type", "none")
    if sent.partition(";")[0].strip().lower() != _JSON:
        raise UnsupportedBody(f"Content-Type is {sent[:100]!r}: send JSON, with Content-Type: {_JSON}")
    try:
        return parse_json(await _read_body(request))
    except ValueError as error:
        raise MalformedBody(f"the body is not JSON: {error}") from error


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MAX_BODY_BYTES:
            raise LimitExceeded(f"a JSON body may have {_MAX_BODY_BYTES} bytes, this one has more")
    return bytes(body)


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 (JSON may be anything)
    """The value of a JSON text; numbers with a fraction or an exponent are Decimals.

    Raises:
        ValueError: not JSON, or JSON that readers disagree about.
    """
    try:
        return json.loads(
            text, parse_float=_parse_decimal, parse_constant=_refuse_constant, object_pairs_hook=_refuse_repeated_names
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _parse_decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"the number {text[:40]} is out of every range") from error


def _refuse_constant(name: str) -> Any:  # noqa: ANN401 (never returns)
    raise ValueError(f"{name} is not a JSON number")


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        repeated = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"an object has {repeated[:60]!r} twice")
    return members
