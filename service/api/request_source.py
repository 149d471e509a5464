"""Who a request comes from, as the audit record names them."""

from fastapi import Request

from service.audit.audit_events import Source
from service.caller import Caller
from service.observability.request_context import current_request_id


def source_of(request: Request) -> Source:
    """The caller that access control found; without it, the address alone."""
    caller = getattr(request.state, "caller", None)
    if not isinstance(caller, Caller):
        caller = Caller(address=request.client.host if request.client else None)
    return Source(caller.key_id, caller.key_name, caller.address, current_request_id())
