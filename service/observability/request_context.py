"""Which requests the running code works for, so that every log line can name them.

A task inherits this from the task that made it, a thread does not: who hands work to a thread hands
`current_requests()` along. Work that several requests share, such as a batch on the device, works for all of them.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from service.observability.trace_context import TraceContext


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request, over HTTP or out of a stream: its ID and its place in a trace."""

    request_id: str
    trace: TraceContext


_current: ContextVar[tuple[RequestContext, ...]] = ContextVar("requests", default=())


def current_requests() -> tuple[RequestContext, ...]:
    """The requests that this code runs for; none outside of any."""
    return _current.get()


def current_request_id() -> str:
    """The ID of the request that this code runs for; "-" outside of one."""
    requests = _current.get()
    return requests[0].request_id if requests else "-"


@contextmanager
def working_for(requests: Iterable[RequestContext]) -> Iterator[None]:
    """Names the requests that the block works for, each once."""
    token = _current.set(tuple(dict.fromkeys(requests)))
    try:
        yield
    finally:
        _current.reset(token)
