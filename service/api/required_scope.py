"""Which scope of an API key each call needs: declared beside the call, and no call may be without."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Security
from fastapi.routing import iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.access.caller import Caller
from service.access.scope import Scope
from service.api.access_control import OPEN_PATHS
from service.errors import Forbidden

# Declares in OpenAPI how a key is sent; it is read and checked before, by the middleware.
_bearer = HTTPBearer(
    scheme_name="ApiKey",
    bearerFormat="qaconv_<8 hexadecimal digits>_<43 characters>",
    description="A key that `qaconv-service keys create` made. Each call names the scope that the key must have; no "
    "scope implies another.",
    auto_error=False,
)


class RequiredScope:
    """Refuses callers without a scope; `requires` makes one for a call."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(
        self, request: Request, _key: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> None:
        """Passes where the caller may.

        Raises:
            Forbidden: the key has other scopes.
        """
        caller: Caller = request.state.caller
        if caller.scopes is not None and self.scope not in caller.scopes:
            has = ", ".join(sorted(caller.scopes)) or "none"
            raise Forbidden(f"this needs a key with the scope {self.scope}; the key {caller.key_id} has: {has}")


def requires(scope: Scope) -> Any:  # noqa: ANN401 (what FastAPI takes as a dependency)
    """The dependency of a call that needs this scope. It comes before the call's others."""
    return Security(RequiredScope(scope), scopes=[scope.value])


def refuse_unguarded_routes(application: FastAPI) -> None:
    """Sees to it that nobody forgot to say who may use a call.

    Raises:
        ValueError: names the routes that are neither open nor need a scope.
    """
    unguarded = [
        str(route.path)
        for route in iter_route_contexts(application.routes)
        if route.path not in OPEN_PATHS and not list(_required_scopes(getattr(route, "dependant", None)))
    ]
    if unguarded:
        raise ValueError(
            f"everybody could use {', '.join(unguarded)}: declare the scope that it needs with "
            "dependencies=[requires(Scope.…)]"
        )


def _required_scopes(dependant: Any) -> Iterator[Scope]:  # noqa: ANN401 (FastAPI's, or none)
    for dependency in getattr(dependant, "dependencies", ()):
        if isinstance(dependency.call, RequiredScope):
            yield dependency.call.scope
