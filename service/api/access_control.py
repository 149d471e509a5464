"""Lets in who has an API key: the first that is asked of a request, before anything of its body is read."""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.api_key import KeyDescription
from service.access.caller import Caller
from service.access.camera_limit import EVERY_CAMERA, CameraLimit
from service.access.key_ring import KeyRing
from service.access.rate_limit import RateLimiter
from service.api.unread_refusal import refuse_unread
from service.errors import RateLimited, Unauthenticated

# What supervisors and load balancers ask; they have no key, and the answers tell nothing of anyone.
OPEN_PATHS = frozenset({"/livez", "/readyz"})
_SAFE_METHODS = ("GET", "HEAD")
_CHALLENGE = 'Bearer realm="qaconv"'


class AccessControlMiddleware:
    """Answers 401 to a request without a valid key, and 429 to one that is above its key's rate.

    Paths that do not exist are refused like others: whoever has no key learns nothing of what there is. Who a request
    comes from stands in its scope's state as `caller`. Without a key ring everybody may do everything.
    """

    def __init__(
        self,
        app: ASGIApp,
        key_ring: KeyRing | None,
        read_clock_seconds: Callable[[], float] = time.monotonic,
        read_time: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._app = app
        self._key_ring = key_ring
        self._limiter = RateLimiter()
        self._read_clock_seconds = read_clock_seconds
        self._read_time = read_time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        try:
            state["caller"] = _caller(scope, None if self._key_ring is None else frozenset())
            if self._key_ring is not None and not _is_open(scope):
                key = self._key_ring.authenticate(_read_key(scope), self._read_time())
                state["caller"] = _caller(scope, frozenset(key.scopes), key)
                self._take(key)
        except Unauthenticated as error:
            has_key = "authorization" in Headers(scope=scope)
            challenge = f'{_CHALLENGE}, error="invalid_token"' if has_key else _CHALLENGE
            await refuse_unread(error, scope, {"WWW-Authenticate": challenge})(scope, receive, send)
        except RateLimited as error:
            await refuse_unread(error, scope)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _take(self, key: KeyDescription) -> None:
        if key.requests_per_minute is None:
            return
        wait_seconds = self._limiter.take(key.key_id, key.requests_per_minute, self._read_clock_seconds())
        if wait_seconds > 0:
            retry_after_seconds = math.ceil(wait_seconds)
            raise RateLimited(
                f"the API key {key.key_id} may make {key.requests_per_minute} requests a minute and has made them: try "
                f"again in {retry_after_seconds} s",
                retry_after_seconds,
            )


def _is_open(scope: Scope) -> bool:
    return scope["path"] in OPEN_PATHS and scope["method"] in _SAFE_METHODS


def _read_key(scope: Scope) -> str:
    sent = Headers(scope=scope).getlist("authorization")
    if not sent:
        raise Unauthenticated("this needs an API key: send it as Authorization: Bearer qaconv_…")
    scheme, _, text = sent[0].partition(" ")
    if len(sent) > 1 or scheme.lower() != "bearer":
        raise Unauthenticated("the Authorization header is not one key: send it once, as Bearer qaconv_…")
    return text.strip(" ")


def _caller(scope: Scope, scopes: frozenset[str] | None, key: KeyDescription | None = None) -> Caller:
    client = scope.get("client")
    return Caller(
        key_id=key.key_id if key else None,
        key_name=key.name if key else None,
        scopes=scopes,
        address=client[0] if client else None,
        cameras=CameraLimit(key.camera_ids, key.key_id) if key else EVERY_CAMERA,
    )
