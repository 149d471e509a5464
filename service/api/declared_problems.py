"""Declares in OpenAPI which errors a call may answer, as problem documents."""

from collections.abc import Mapping
from typing import Any

from service.api.problems import PROBLEM_MEDIA_TYPE
from service.errors import (
    Forbidden,
    InvalidField,
    LimitExceeded,
    MalformedBody,
    QueueFull,
    RateLimited,
    RequestTimeout,
    ServiceError,
    StorageFull,
    Unauthenticated,
    Unavailable,
    UnreadableImage,
    UnsupportedBody,
    UnsupportedImage,
)

# A body or a parameter may come with any call, a foreign web page may send it, and any call may be late.
_ALWAYS: tuple[type[ServiceError], ...] = (
    Forbidden,
    MalformedBody,
    LimitExceeded,
    InvalidField,
    ServiceError,
    Unavailable,
    RequestTimeout,
)

# Of every call but those that supervisors ask without a key.
KEY_ERRORS: tuple[type[ServiceError], ...] = (Unauthenticated, RateLimited)
FORM_ERRORS: tuple[type[ServiceError], ...] = (UnsupportedBody,)
IMAGE_ERRORS: tuple[type[ServiceError], ...] = (*FORM_ERRORS, UnreadableImage, UnsupportedImage)
STORING_ERRORS: tuple[type[ServiceError], ...] = (StorageFull,)


def declare_problems(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a call that may fail with these errors, and with those that every call may fail with."""
    return declare_exempt_problems(*KEY_ERRORS, QueueFull, *errors)


def declare_exempt_problems(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """As `declare_problems`, for a call that the limit of requests in flight does not concern."""
    by_status: dict[int | str, list[type[ServiceError]]] = {}
    for error in dict.fromkeys((*_ALWAYS, *errors)):
        by_status.setdefault(error.status, []).append(error)
    return {status: _declare(by_status[status]) for status in sorted(by_status, key=str)}


def _declare(errors: list[type[ServiceError]]) -> dict[str, Any]:
    declaration: dict[str, Any] = {
        "description": "; ".join(f"{error.title} (`/problems/{error.slug}`)" for error in errors),
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if any(error.retry_after_seconds is not None for error in errors):
        declaration["headers"] = {"Retry-After": _RETRY_AFTER}
    if Unauthenticated in errors:
        declaration["headers"] = {"WWW-Authenticate": _WWW_AUTHENTICATE}
    return declaration


_RETRY_AFTER: Mapping[str, Any] = {
    "description": "Seconds after which to try again.",
    "schema": {"type": "integer"},
}
_WWW_AUTHENTICATE: Mapping[str, Any] = {
    "description": "`Bearer`: send `Authorization: Bearer` and the key.",
    "schema": {"type": "string"},
}
