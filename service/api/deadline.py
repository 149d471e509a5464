"""Ends every request in time: an answer, or 503 when the time is over or the service goes down."""

import asyncio
import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import UNEXPECTED_ERROR, answer_error
from service.errors import RequestTimeout, ServiceError, Unavailable

_log = logging.getLogger(__name__)


class DeadlineMiddleware:
    """Runs each request under a time limit, the reading of its body included, and answers what nobody foresaw with 500.

    The loop time at which a request will be given up stands in its scope's state as `deadline`.
    """

    def __init__(self, app: ASGIApp, timeout_seconds: float) -> None:
        self._app = app
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        scope.setdefault("state", {})["deadline"] = deadline
        try:
            async with asyncio.timeout_at(deadline) as limit:
                await self._app(scope, receive, send_and_note)
        except ClientDisconnect:
            return  # Nobody is there to be answered.
        except Exception as error:
            is_late = isinstance(error, TimeoutError) and limit.expired()
            if not is_late:
                _log.exception("an exception that nobody foresaw")
            if has_begun and is_late:
                return  # Nobody takes the answer: cut short, it makes the server close the connection.
            if has_begun:
                raise  # The same, for a reason that somebody must look into.
            answer = _too_late(self._timeout_seconds) if is_late else _explain(error)
            await answer_error(answer)(scope, receive, send)
        except asyncio.CancelledError:
            # The request has ended as it was told to: the server need not hear of it as of a failure.
            if has_begun:
                return
            await answer_error(Unavailable("the service is shutting down: try again"))(scope, receive, send)


def _explain(error: Exception) -> ServiceError:
    if isinstance(error, MemoryError):
        return Unavailable("the service has too little memory left for this request: try again later, or send less")
    return UNEXPECTED_ERROR


def _too_late(timeout_seconds: float) -> RequestTimeout:
    return RequestTimeout(
        f"the request was not finished within {timeout_seconds:g} s and was given up; a write may have been done "
        "nonetheless: the same PUT again is harmless"
    )
