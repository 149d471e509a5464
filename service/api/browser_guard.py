"""Refuses what foreign web pages make browsers send: to a service without keys a browser on its machine is a way in.

A page of anywhere may post a form to 127.0.0.1 without being asked (the browser tells its origin), and a page whose
name is made to point to 127.0.0.1 after it was loaded (DNS rebinding) may even read the answers (the browser tells its
name as the host). Programs other than browsers send neither header, or the right ones.
"""

from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.unread_refusal import refuse_unread
from service.errors import Forbidden
from service.settings import is_loopback

_DEFAULT_PORTS = {"http://": ":80", "https://": ":443"}
# How browsers call requests that a page of another origin caused.
_FOREIGN_SITES = ("cross-site", "same-site")


class BrowserGuardMiddleware:
    """Answers 403 to a request of a page that is neither the service's own nor of an allowed origin."""

    def __init__(self, app: ASGIApp, allowed_origins: Collection[str], allowed_hosts: Collection[str] | None) -> None:
        """Guards an application.

        Args:
            app: what is guarded.
            allowed_origins: of pages that may call, exactly as browsers write them.
            allowed_hosts: what every Host must be, besides a loopback name or address; None: anything. Where there
                are some, any address will do too: it is names that are made to point here.
        """
        self._app = app
        self._allowed_origins = frozenset(allowed_origins)
        self._allowed_hosts = None if allowed_hosts is None else frozenset(map(str.lower, allowed_hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] == "http" and (objection := self._find_objection(scope)):
            await refuse_unread(Forbidden(objection), scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _find_objection(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if self._allowed_hosts is not None and not (hosts and all(map(self._may_be_called, hosts))):
            return (
                f"Host is {_quote(hosts)}, and a service without API keys answers to loopback names alone: call it by "
                "127.0.0.1, give it keys (--api-keys-file), or say --allow-remote-without-keys if something in front "
                "of it decides who may ask, and there name the Host in QACONV_ALLOWED_HOSTS"
            )
        for origin in origins:
            if origin not in self._allowed_origins and not _is_own(origin, hosts):
                return (
                    f"a web page of {_quote([origin])} may not call: name its origin in QACONV_CORS_ORIGINS to let it"
                )
        if not origins and headers.get("sec-fetch-site") in _FOREIGN_SITES and not _is_visit(scope, headers):
            return (
                "a page of another site may not load this: name its origin in QACONV_CORS_ORIGINS, and let it use CORS"
            )
        return None

    def _may_be_called(self, host: str) -> bool:
        name = _name(host)
        if self._allowed_hosts:
            return name in self._allowed_hosts or name == "localhost" or _is_address(name)
        return is_loopback(name)


def _is_own(origin: str, hosts: list[str]) -> bool:
    """Whether host and port of an origin are those that the request went to; of each scheme the default port aside."""
    for scheme, port in _DEFAULT_PORTS.items():
        if origin.startswith(scheme):
            own = origin.removeprefix(scheme).removesuffix(port)
            return len(hosts) == 1 and own.lower() == hosts[0].removesuffix(port).lower()
    return False


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether somebody followed a link to here: the answer is shown to them, and to no page."""
    return (
        scope["method"] in ("GET", "HEAD")
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    """A Host header without its port and the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _quote(values: list[str]) -> str:
    return ", ".join(repr(value[:100]) for value in values) or "missing"
