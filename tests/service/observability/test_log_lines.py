import json
import logging
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from service.observability.log_lines import JsonLines, TextLines
from service.observability.request_context import RequestContext, working_for
from service.observability.trace_context import TraceContext

A = RequestContext("a", TraceContext("a1" * 16, "b2" * 8))
B = RequestContext("b", TraceContext("c3" * 16, "d4" * 8))
HOSTILE = 'x\n{"level": "CRITICAL"}\r\x1b[31m\x00\u2028\udcff"'


def record(message: str, *values: object, **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "service.part", "levelname": "WARNING", "msg": message, "args": values})
    made.created = 1790000000.25
    vars(made).update(fields)
    return made


def test_a_line_is_an_object_with_the_request_and_the_fields() -> None:
    with working_for([A]):
        line = json.loads(JsonLines().format(record("took %d", 5, duration_ms=1.5)))
    assert line == {
        "time": "2026-09-21T14:13:20.250000Z",
        "level": "WARNING",
        "logger": "service.part",
        "message": "took 5",
        "request_id": "a",
        "trace_id": "a1" * 16,
        "span_id": "b2" * 8,
        "duration_ms": 1.5,
    }
    assert datetime.fromisoformat(line["time"]) == datetime.fromtimestamp(1790000000.25, UTC)


def test_work_for_several_requests_names_them_all_once() -> None:
    with working_for([A, B, A]):
        line = json.loads(JsonLines().format(record("a batch")))
    assert (line["request_ids"], line["trace_ids"]) == (["a", "b"], ["a1" * 16, "c3" * 16])
    assert "request_id" not in json.loads(JsonLines().format(record("outside of any")))


@pytest.mark.parametrize("lines", [JsonLines(), TextLines()])
def test_whatever_a_client_sends_stays_on_one_line(lines: logging.Formatter) -> None:
    text = lines.format(record("sent %s", HOSTILE, field=HOSTILE))
    assert len(text.splitlines()) == 1
    assert not any(ord(character) < 32 for character in text)
    if isinstance(lines, JsonLines):
        line = json.loads(text)
        assert (line["message"], line["field"]) == (f"sent {HOSTILE}", HOSTILE)


def test_an_exception_is_a_string_in_the_object() -> None:
    try:
        raise KeyError("why")
    except KeyError as error:
        failed = record("failed", exc_info=(KeyError, error, error.__traceback__))
    text = JsonLines().format(failed)
    assert len(text.splitlines()) == 1
    assert json.loads(text)["exception"].splitlines()[-1] == "KeyError: 'why'"
    assert TextLines().format(failed).splitlines()[0].endswith("WARNING service.part failed")


def test_warnings_threads_and_other_programs_lines_have_the_same_form() -> None:
    program = """
import logging, threading, warnings
from service.observability.log_lines import configure_logging
configure_logging("json")
warnings.warn("old", DeprecationWarning, stacklevel=1)
logging.getLogger("asyncio").warning("socket.send() raised exception.")
logging.getLogger("service.part").info("told")
thread = threading.Thread(target=lambda: 1 / 0, name="device")
thread.start()
thread.join()
"""
    command = [sys.executable, "-W", "always", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["logger"] for line in lines] == [
        "py.warnings",
        "asyncio",
        "service.part",
        "service.observability.log_lines",
    ]
    assert "ZeroDivisionError" in lines[-1]["exception"]
    assert "device" in lines[-1]["message"]
