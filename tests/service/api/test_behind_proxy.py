import pytest
from starlette.types import Receive, Scope, Send

from service.api.behind_proxy import BehindProxyMiddleware, fold_address

pytestmark = pytest.mark.anyio


async def seen_through(scope: Scope, trusted: tuple[str, ...] = (), root_path: str = "") -> Scope:
    """What an application behind the middleware is given."""
    seen: list[Scope] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def unused(*_arguments: object) -> None:
        raise AssertionError

    await BehindProxyMiddleware(application, trusted, root_path)(scope, unused, unused)  # type: ignore[arg-type]
    return seen[0]


async def client(peer: str, *forwarded: str, trusted: tuple[str, ...]) -> str:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    scope = {"type": "http", "path": "/", "client": (peer, 1), "headers": headers}
    host, _ = (await seen_through(scope, trusted))["client"]
    return str(host)


@pytest.mark.parametrize("setting", ["127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.1", "::ffff:127.0.0.0/104"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1"])
async def test_an_address_of_ipv4_is_the_same_where_ipv6_carries_it(peer: str, setting: str) -> None:
    assert await client(peer, "192.0.2.7", trusted=(setting,)) == "192.0.2.7"
    assert await client(peer, "::ffff:192.0.2.7", trusted=(setting,)) == "192.0.2.7"
    assert await client(peer, "192.0.2.7", trusted=("10.0.0.0/8", "::1")) == peer


def test_other_addresses_stay_what_they_are() -> None:
    for address in ("192.0.2.1", "2001:db8::1", "/run/socket", "unknown", ""):
        assert fold_address(address) == address
    assert fold_address("::ffff:192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        (["203.0.113.1, 192.0.2.7"], "192.0.2.7"),
        (["203.0.113.1", "192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7, 10.0.0.3"], "192.0.2.7"),
        (["192.0.2.7, ::ffff:10.0.0.3"], "192.0.2.7"),
        (["10.0.0.9, 10.0.0.3"], "10.0.0.9"),
        (["192.0.2.7:8080"], "192.0.2.7"),
        (["[2001:db8::7]:8080"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["192.0.2.7, unknown"], "10.0.0.2"),
        (["192.0.2.7, unknown, 10.0.0.3"], "10.0.0.3"),
        ([""], "10.0.0.2"),
        ([], "10.0.0.2"),
        (["x" * 10_000], "10.0.0.2"),
    ],
)
async def test_the_client_is_the_last_who_is_no_trusted_proxy(forwarded: list[str], address: str) -> None:
    assert await client("10.0.0.2", *forwarded, trusted=("10.0.0.0/8",)) == address
    assert await client("198.51.100.1", *forwarded, trusted=("10.0.0.0/8",)) == "198.51.100.1"
    assert await client("10.0.0.2", *forwarded, trusted=()) == "10.0.0.2"


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("/reid/v1/search", "/v1/search"),
        ("/v1/search", "/v1/search"),
        ("/reid/", "/"),
        ("/reidentified/v1", "/reidentified/v1"),
        ("/other/reid/v1", "/other/reid/v1"),
    ],
)
async def test_a_prefix_is_taken_off_where_the_proxy_left_it_on(asked: str, path: str) -> None:
    scope = {"type": "http", "path": asked, "client": None, "headers": []}
    assert (await seen_through(scope, root_path="/reid"))["path"] == path
