import httpx
import pytest
from fastapi import FastAPI, Response

from service.api.security_headers import SecurityHeadersMiddleware

pytestmark = pytest.mark.anyio
EXPECTED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


async def answer(response: Response) -> None:
    response.headers["Content-Security-Policy"] = "default-src 'self'"


def client(*, has_tls: bool) -> httpx.AsyncClient:
    application = FastAPI()
    application.add_api_route("/own", answer)
    application.add_middleware(SecurityHeadersMiddleware, has_tls=has_tls)
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://127.0.0.1")


async def test_every_answer_has_them_and_a_policy_of_its_own_is_kept() -> None:
    missing = await client(has_tls=False).get("/missing")
    assert missing.status_code == 404
    assert EXPECTED.items() <= dict(missing.headers).items()
    own = await client(has_tls=False).get("/own")
    assert own.headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert own.headers["x-frame-options"] == "DENY"


async def test_browsers_are_bound_to_tls_by_tls_alone() -> None:
    assert "strict-transport-security" not in (await client(has_tls=False).get("/own")).headers
    assert (await client(has_tls=True).get("/own")).headers["strict-transport-security"] == "max-age=31536000"
