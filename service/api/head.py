"""HEAD wherever GET is."""

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadMiddleware:
    """Answers HEAD as GET; the server leaves the body out, and keeps the header that says how long it would be."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # In the same scope, where the router leaves what it found; what is around this sees HEAD again.
        scope["method"] = "GET"
        try:
            await self._app(scope, receive, send)
        finally:
            scope["method"] = "HEAD"
