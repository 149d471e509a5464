"""Holds every answer of a service against its own OpenAPI document."""

from typing import Any

import httpx
from jsonschema import Draft202012Validator
from starlette.routing import compile_path

_PROBLEM = "application/problem+json"


class DeclaredAnswers:
    """What a service declares that it may answer."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._patterns = [(compile_path(path)[0], calls) for path, calls in document["paths"].items()]

    def check(self, response: httpx.Response) -> None:
        """Asserts that an answer's status, content type and body are declared, and that errors are whole problems."""
        assert response.headers["x-request-id"]
        if response.request.method == "HEAD":
            assert not response.content
            return
        if response.status_code >= 400:
            _check_problem(response)
        call = self._find(response.request)
        if call is None:
            # /docs and /openapi.json, paths that are not there, IDs with a slash and methods that a path does not have.
            assert response.status_code in (200, 404, 405, 422)
            return
        declared = call["responses"].get(str(response.status_code))
        assert declared is not None, f"{response.request.method} {response.url.path} answered {response.status_code}"
        if response.content:
            media_type = response.headers["content-type"].partition(";")[0]
            assert media_type in declared["content"], (response.url.path, response.status_code, media_type)
            if media_type.endswith("json"):
                schema = {**declared["content"][media_type]["schema"], "components": self._document["components"]}
                Draft202012Validator(schema).validate(response.json())
        else:
            assert "content" not in declared

    def _find(self, request: httpx.Request) -> dict[str, Any] | None:
        for pattern, calls in self._patterns:
            if pattern.match(request.url.path) and request.method.lower() in calls:
                call: dict[str, Any] = calls[request.method.lower()]
                return call
        return None


def _check_problem(response: httpx.Response) -> None:
    assert response.headers["content-type"] == _PROBLEM, response.text
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id", "errors"}
    assert problem["status"] == response.status_code
    assert problem["type"].startswith("/problems/")
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["detail"]
    assert "Traceback" not in response.text
    assert ("retry-after" in response.headers) == (response.status_code in (429, 503))


def open_checked_client(url: str) -> httpx.Client:
    """A client of the service at `url`, every answer of which is checked."""
    declared = DeclaredAnswers(httpx.get(f"{url}/openapi.json").json())

    def check(response: httpx.Response) -> None:
        response.read()
        declared.check(response)

    return httpx.Client(base_url=url, timeout=30, event_hooks={"response": [check]})
