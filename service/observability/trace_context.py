"""Which trace a request belongs to: W3C Trace Context, https://www.w3.org/TR/trace-context/.

A caller that sends `traceparent` finds its trace ID in the service's log lines, and can lay both side by side.
"""

import os
import re
from dataclasses import dataclass
from typing import Self

_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace_id>[0-9a-f]{32})-(?P<parent_id>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?"
)
# Sampled, and random trace ID; the other bits are of versions to come, and are not passed on.
_KNOWN_FLAGS = 0b11
_RANDOM_TRACE_ID = 0b10
# What the specification asks to be carried on at least; more is dropped.
_LONGEST_TRACESTATE = 512


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace.

    Attributes:
        trace_id: 32 hexadecimal digits, the caller's where it sent one.
        span_id: 16 hexadecimal digits, of this request alone.
        flags: bit 0 says that the caller records the trace, bit 1 that its ID is random.
        state: the caller's `tracestate`, untouched, for whatever the request is passed on to; empty where it has none.
    """

    trace_id: str
    span_id: str
    flags: int = _RANDOM_TRACE_ID
    state: str = ""

    @classmethod
    def begin(cls) -> Self:
        """A trace of its own."""
        return cls(os.urandom(16).hex(), os.urandom(8).hex())

    @classmethod
    def continue_from(cls, traceparent: str | None, tracestate: str = "") -> Self:
        """A new span in the trace of a `traceparent`; a trace of its own where that is none or not valid."""
        found = None if traceparent is None else _TRACEPARENT.fullmatch(traceparent.strip(" \t"))
        if found is None or not _is_valid(found):
            return cls.begin()
        state = tracestate if len(tracestate) <= _LONGEST_TRACESTATE and tracestate.isascii() else ""
        return cls(found["trace_id"], os.urandom(8).hex(), int(found["flags"], 16) & _KNOWN_FLAGS, state)

    @property
    def traceparent(self) -> str:
        """As it is sent on and answered: with this request's span."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def _is_valid(found: "re.Match[str]") -> bool:
    # Versions to come may append fields, this one must not; version ff is forbidden, and so are IDs of zeros.
    is_known_form = found["version"] != "ff" and (found["version"] != "00" or found["rest"] is None)
    return is_known_form and int(found["trace_id"], 16) != 0 and int(found["parent_id"], 16) != 0
