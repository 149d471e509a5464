"""Every error as a problem document (RFC 9457): `application/problem+json`, and nothing else."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from service.api.validation import describe_validation_errors
from service.errors import InvalidField, ServiceError
from service.observability.metrics import Metrics
from service.observability.request_context import current_request_id

PROBLEM_MEDIA_TYPE = "application/problem+json"

# What clients are told of an exception that nobody foresaw: nothing of the inside.
UNEXPECTED_ERROR = ServiceError("something went wrong in the service; its log has the reason, under this request_id")

_SENT_PROBLEM = "sent_problem"

_log = logging.getLogger(__name__)


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="The field's name, as the client sent it.")
    message: str


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = Field(description="A stable URI reference that names the kind of error.")
    title: str
    status: int
    detail: str = Field(description="The value, the limit and what to do.")
    request_id: str = Field(description="The request's X-Request-Id, which the service's log names too.")
    errors: list[FieldProblem] = Field(default=[], description="The fields that were wrong.")

    @property
    def kind(self) -> str:
        """The last part of the type, such as `queue-full`."""
        return self.type.rpartition("/")[2]


def describe_error(error: ServiceError) -> Problem:
    """The problem document of an error."""
    return Problem(
        type=f"/problems/{error.slug}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        request_id=current_request_id(),
        errors=[FieldProblem(field=wrong.field, message=wrong.message) for wrong in error.field_errors],
    )


def answer_error(error: ServiceError, headers: Mapping[str, str] | None = None) -> Response:
    """The response to an error, with Retry-After where trying again later makes sense."""
    retry = {} if error.retry_after_seconds is None else {"Retry-After": str(error.retry_after_seconds)}
    return answer_problem(describe_error(error), {**retry, **(headers or {})})


def answer_problem(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The response that carries a problem document."""
    content = json.dumps(problem.model_dump(), ensure_ascii=False).encode()
    response = _ProblemResponse(content, problem.status, headers, PROBLEM_MEDIA_TYPE)
    response.kind = problem.kind
    return response


class _ProblemResponse(Response):
    """Leaves the problem's kind in the request's scope, for whoever counts what was answered."""

    kind: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[_SENT_PROBLEM] = self.kind
        await super().__call__(scope, receive, send)


def sent_problem(scope: Scope) -> str | None:
    """The kind of problem that a request was answered with, such as `queue-full`; None where it was another answer."""
    kind = scope.get("state", {}).get(_SENT_PROBLEM)
    return kind if isinstance(kind, str) else None


def count_problem(metrics: Metrics, kind: str) -> None:
    """Counts a problem that a request, or an item of a batch, was answered with."""
    metrics.counter(
        "qaconv_problems_total",
        "Problems answered, by the last part of their type; items of batches included.",
        ["type"],
    ).labels(kind).inc()


def install_problem_handlers(application: FastAPI) -> None:
    """Makes an application answer its own errors, and those of its framework, as problem documents.

    Exceptions that nobody foresaw are not handled here but by the outermost middleware of the service.
    """
    application.add_exception_handler(ServiceError, _answer_service_error)
    application.add_exception_handler(RequestValidationError, _answer_validation_error)
    application.add_exception_handler(HTTPException, _answer_http_exception)


def _answer_service_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("answered %d %s: %s", error.status, error.slug, error.detail)
    return answer_error(error)


def _answer_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # The first part of a location says where FastAPI found the field: path, query, header or body.
    errors: list[Any] = [{**wrong, "loc": wrong["loc"][1:]} for wrong in error.errors()]
    return answer_error(InvalidField(*describe_validation_errors(errors)))


def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    path, headers = request.url.path, dict(error.headers or {})
    detail = str(error.detail)
    if status == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {path!r}: /docs lists what there is"
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed_methods(request) or headers.get("Allow", "")
        detail = f"{path!r} has no method {request.method}: it has {headers['Allow']}"
    problem = Problem(
        type=f"/problems/{status.phrase.lower().replace(' ', '-')}",
        title=status.phrase,
        status=status.value,
        detail=detail,
        request_id=current_request_id(),
    )
    return answer_problem(problem, headers)


def _allowed_methods(request: Request) -> str:
    """All methods of a path; the framework names those of the first route that it finds."""
    methods = {
        method.upper()
        for template, calls in request.app.openapi()["paths"].items()
        if compile_path(template)[0].match(request.url.path)
        for method in calls
    }
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))
