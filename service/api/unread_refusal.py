"""Refuses a request before anything of its body is read."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from service.api.problems import answer_error
from service.errors import ServiceError

# What is smaller has come with the header already, and the connection may stay.
_HARMLESS_BYTES = 2**16


def refuse_unread(error: ServiceError, scope: Scope, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a request whose body is not wanted.

    It closes the connection where the body is large or its length not known: the server would receive all of it, only
    to throw it away. A client that sends `Expect: 100-continue` has sent nothing of it yet.
    """
    sent = Headers(scope=scope)
    length = sent.get("content-length", "0")
    is_small = length.isascii() and length.isdecimal() and len(length) < 10 and int(length) <= _HARMLESS_BYTES
    closing = {} if is_small and "transfer-encoding" not in sent else {"Connection": "close"}
    return answer_error(error, {**closing, **(headers or {})})
