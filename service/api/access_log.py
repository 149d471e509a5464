"""The log line of each request: what was asked by whom, and how it ended. No path, no query, no header: they hold IDs
of pictures of people, and keys.
"""

import logging

from starlette.types import Scope

from service.access.caller import Caller
from service.api.route_label import method_label, route_label

_log = logging.getLogger("service.access")


def log_access(scope: Scope, status: int | None, seconds: float) -> None:
    """Logs a request that has ended; without a status its client went away unanswered."""
    caller = scope.get("state", {}).get("caller")
    fields = {
        "method": method_label(scope),
        "route": route_label(scope),
        "status": status,
        "duration_ms": round(seconds * 1000, 3),
        "key_id": caller.key_id if isinstance(caller, Caller) else None,
        "client": (scope.get("client") or (None,))[0],
    }
    outcome = "no answer" if status is None else status
    _log.info("%s %s %s", fields["method"], fields["route"], outcome, extra=fields)
