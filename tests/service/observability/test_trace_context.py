import re

import pytest

from service.observability.trace_context import TraceContext

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("sent", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-01", "01"),
        (f"00-{TRACE}-{SPAN}-00", "00"),
        (f"  00-{TRACE}-{SPAN}-01\t", "01"),
        (f"00-{TRACE}-{SPAN}-ff", "03"),  # bits of versions to come are not passed on
        (f"cc-{TRACE}-{SPAN}-01", "01"),  # a version to come reads like ours
        (f"cc-{TRACE}-{SPAN}-01-what-is-to-come", "01"),
    ],
)
def test_a_valid_trace_is_continued_with_a_span_of_its_own(sent: str, flags: str) -> None:
    context = TraceContext.continue_from(sent, "vendor=value")
    assert context.traceparent == f"00-{TRACE}-{context.span_id}-{flags}"
    assert re.fullmatch("[0-9a-f]{16}", context.span_id)
    assert context.span_id != SPAN
    assert context.state == "vendor=value"


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00_{TRACE}_{SPAN}_01",
    ],
)
def test_what_is_no_trace_is_replaced(sent: str | None) -> None:
    context = TraceContext.continue_from(sent, "vendor=value")
    assert context.trace_id != TRACE
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-02", context.traceparent)
    assert context.state == "", "the state is of the trace that was not believed"


def test_a_state_that_is_too_long_is_dropped_and_the_trace_kept() -> None:
    context = TraceContext.continue_from(f"00-{TRACE}-{SPAN}-01", "v=" + 511 * "x")
    assert (context.trace_id, context.state) == (TRACE, "")


def test_no_two_are_alike() -> None:
    assert len({TraceContext.begin().traceparent for _ in range(100)}) == 100
