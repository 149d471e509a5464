"""Who a request comes from: as the audit record names them, and which cameras are theirs."""

from fastapi import Request

from service.access.caller import Caller
from service.access.camera_limit import CameraLimit
from service.audit.audit_events import Source
from service.observability.request_context import current_request_id


def cameras_of(request: Request) -> CameraLimit:
    """Whose detections the caller may ingest, read and find."""
    return _caller_of(request).cameras


def source_of(request: Request) -> Source:
    """The caller, and the request's ID."""
    caller = _caller_of(request)
    return Source(caller.key_id, caller.key_name, caller.address, current_request_id())


def _caller_of(request: Request) -> Caller:
    """The caller that access control found; without it, the address alone."""
    caller = getattr(request.state, "caller", None)
    if isinstance(caller, Caller):
        return caller
    return Caller(address=request.client.host if request.client else None)
