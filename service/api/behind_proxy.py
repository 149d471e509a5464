"""What a proxy in front of the service changes: whom a request seems to come from, and what its path begins with."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

# The addresses of IPv4 as a socket of IPv6 has them: ::ffff:127.0.0.1.
_MAPPED = IPv6Network("::ffff:0:0/96")


def fold_address(text: str) -> str:
    """An IPv4 address as such, also where IPv6 carries it; anything else as it is."""
    address = _parse(text)
    return text if address is None else str(address)


class BehindProxyMiddleware:
    """Takes the client's address from `X-Forwarded-For`, where the request comes from a trusted proxy, and the prefix
    that the proxy serves this service under from the path, unless the proxy did so.

    Each proxy appends whom it was asked by, so the list is read from its end: the client is the first who is no
    trusted proxy. What is no address is not believed, nor what stands before it.
    """

    def __init__(self, app: ASGIApp, trusted_proxies: Iterable[str], root_path: str) -> None:
        """Wraps an application.

        Args:
            app: what is asked.
            trusted_proxies: addresses and networks.
            root_path: the prefix, such as /reid; empty where there is none.
        """
        self._app = app
        self._root_path = root_path
        self._trusted = [_fold_network(proxy) for proxy in trusted_proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes on what is none."""
        if scope["type"] == "http":
            if scope["path"].startswith(f"{self._root_path}/"):
                scope["path"] = scope["path"].removeprefix(self._root_path)
            self._take_address(scope)
        await self._app(scope, receive, send)

    def _take_address(self, scope: Scope) -> None:
        if scope.get("client"):
            host, port = scope["client"]
            sent = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            for hop in reversed(b",".join(sent).decode("latin-1").split(",")):
                address = _parse(_without_port(hop.strip()))
                if address is None or not self._trusts(host):
                    break
                host, port = str(address), 0
            scope["client"] = (host, port)

    def _trusts(self, host: str) -> bool:
        address = _parse(host)
        return address is not None and any(address in network for network in self._trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _fold_network(text: str) -> IPv4Network | IPv6Network:
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return IPv4Network((str(mapped), network.prefixlen - _MAPPED.prefixlen))
    return network


def _without_port(hop: str) -> str:
    """`192.0.2.1:80` and `[2001:db8::1]:80` without what follows the address."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
