"""What a request asked for, in words that are known beforehand: for metrics and for log lines."""

from starlette.types import Scope

_UNMATCHED = "unmatched"
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


def route_label(scope: Scope) -> str:
    """The path's template: one label for all IDs."""
    template = getattr(scope.get("route"), "path_format", None)
    return template if isinstance(template, str) else _UNMATCHED


def method_label(scope: Scope) -> str:
    """The method, where it is a known one: clients may send any word, and each would be a label for ever."""
    method = str(scope["method"])
    return method if method in _METHODS else "other"
