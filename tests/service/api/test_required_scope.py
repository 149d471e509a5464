from pathlib import Path

import pytest
from fastapi import APIRouter, Depends

from service.access.scope import Scope
from service.api import status
from service.api.application import create_application
from service.api.required_scope import requires
from service.settings import Settings
from tests.service.made_keys import add_key


async def answer() -> None:
    return None


@pytest.fixture
def new_router(monkeypatch: pytest.MonkeyPatch) -> APIRouter:
    """A router that somebody added to the application."""
    router = APIRouter(prefix="/v1")
    monkeypatch.setattr(status, "router", _with(status.router, router))
    return router


def _with(*routers: APIRouter) -> APIRouter:
    both = APIRouter()
    for router in routers:
        both.include_router(router)
    return both


@pytest.mark.parametrize("is_in_schema", [True, False])
def test_a_new_call_without_a_scope_is_not_served(new_router: APIRouter, is_in_schema: bool) -> None:
    new_router.add_api_route(
        "/new", answer, methods=["POST"], dependencies=[Depends(answer)], include_in_schema=is_in_schema
    )
    with pytest.raises(ValueError, match=r"everybody could use /v1/new: .*requires"):
        create_application(Settings())


def test_a_new_call_with_a_scope_is_served(new_router: APIRouter) -> None:
    new_router.add_api_route("/new", answer, methods=["POST"], dependencies=[requires(Scope.ADMIN)])
    assert "/v1/new" in create_application(Settings()).openapi()["paths"]


def test_what_is_no_call_is_not_served_either(new_router: APIRouter) -> None:
    new_router.add_route("/plain", answer)
    new_router.add_api_websocket_route("/socket", answer)
    with pytest.raises(ValueError, match="everybody could use /plain, /v1/socket"):
        create_application(Settings())


def test_the_document_of_a_service_with_keys_says_which_scope_each_call_needs(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    add_key(path, Scope.READ)
    document = create_application(Settings(api_keys_file=path)).openapi()
    scheme = document["components"]["securitySchemes"]["ApiKey"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    needed = {
        f"{method} {route}": call.get("security")
        for route, calls in document["paths"].items()
        for method, call in calls.items()
    }
    assert needed["post /v1/search"] == [{"ApiKey": ["search"]}]
    assert needed["put /v1/detections/{detection_id}"] == [{"ApiKey": ["ingest"]}]
    assert needed["delete /v1/detections/{detection_id}"] == [{"ApiKey": ["admin"]}]
    assert needed["get /metrics"] == [{"ApiKey": ["read"]}]
    assert needed["get /livez"] is None
    assert needed["get /readyz"] is None


def test_the_document_of_a_service_without_keys_asks_for_none() -> None:
    document = create_application(Settings()).openapi()
    assert "securitySchemes" not in document["components"]
    assert not any("security" in call for calls in document["paths"].values() for call in calls.values())
