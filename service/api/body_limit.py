"""Refuses bodies that are too large: at once when the client says so, else as soon as the limit is passed."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import answer_error
from service.errors import LimitExceeded, MalformedBody, ServiceError


class BodyLimitMiddleware:
    """Answers 413 to a body of more than `max_body_bytes`."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        error = self._check_declared_length(Headers(scope=scope).get("content-length"))
        if error is not None:
            await answer_error(error)(scope, receive, send)
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
