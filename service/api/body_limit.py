"""Refuses bodies that are too large, at once when the client says so, else as soon as the limit is passed; and those
that are packed, of which nobody knows how large they are.
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import answer_error
from service.errors import LimitExceeded, MalformedBody, ServiceError, UnsupportedBody


class BodyLimitMiddleware:
    """Answers 413 to a body of more than `max_body_bytes`, and 415 to a packed one."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        error = _check_encoding(headers) or self._check_declared_length(headers.get("content-length"))
        if error is not None:
            accepted = {"Accept-Encoding": "identity"} if isinstance(error, UnsupportedBody) else {}
            await answer_error(error, accepted)(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise self._too_large(f"more than {self._max_body_bytes}")
            return message

        await self._app(scope, receive_within_limit, send)

    def _check_declared_length(self, declared: str | None) -> ServiceError | None:
        if declared is None:
            return None
        if not (declared.isascii() and declared.isdecimal()):
            return MalformedBody(f"Content-Length is {declared[:60]!r}, not a number of bytes.")
        # By length first: int() of very many digits is refused by Python.
        length = declared.lstrip("0") or "0"
        is_too_large = len(length) > len(str(self._max_body_bytes)) or int(length) > self._max_body_bytes
        return self._too_large(length[:60]) if is_too_large else None

    def _too_large(self, size: str) -> LimitExceeded:
        return LimitExceeded(
            f"the body has {size} bytes, at most {self._max_body_bytes} are taken: send smaller images or batches"
        )


def _check_encoding(headers: Headers) -> ServiceError | None:
    encoding = headers.get("content-encoding", "identity").strip()
    has_body = "content-length" in headers or "transfer-encoding" in headers
    if encoding.lower() in ("identity", "") or not has_body:
        return None
    return UnsupportedBody(f"Content-Encoding is {encoding[:60]!r}: send the body as it is, without")
