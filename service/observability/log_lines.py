"""How the service logs: one line each to standard error, as JSON or as text, with the requests that it is about."""

import json
import logging
import logging.config
import re
import threading
from datetime import UTC, datetime
from typing import Any

from service.observability.request_context import RequestContext, current_requests
from service.settings import LogFormat

_log = logging.getLogger(__name__)

# What every record has; the rest came as `extra` and is part of the line.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class JsonLines(logging.Formatter):
    """An object a line: time, level, logger, message, the requests, the fields of the record, the exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of ASCII: whatever a client sent is escaped."""
        line: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_about(current_requests()),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """The same for people: `time LEVEL logger message name=value …`, then the traceback, on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, but for a traceback."""
        values = {**_about(current_requests()), **_fields(record)}
        words = [_moment(record), record.levelname, record.name, record.getMessage()]
        words += [f"{name}={value}" for name, value in values.items() if value is not None]
        lines = [_CONTROL_CHARACTERS.sub(lambda found: repr(found[0])[1:-1], " ".join(words))]
        if record.exc_info:
            lines.append(self.formatException(record.exc_info))
        if record.stack_info:
            lines.append(self.formatStack(record.stack_info))
        return "\n".join(lines)


_FORMATTERS: dict[LogFormat, type[logging.Formatter]] = {"json": JsonLines, "text": TextLines}


def configure_logging(log_format: LogFormat) -> None:
    """Sets up the process's logging, warnings and threads that end by an exception included. Called once, by the
    process that serves.
    """
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"lines": {"()": _FORMATTERS[log_format]}},
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "lines"}
            },
            "root": {"handlers": ["stderr"], "level": "WARNING"},
            "loggers": {"service": {"level": "INFO"}},
        }
    )
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_thread_exception


def _log_thread_exception(ended: threading.ExceptHookArgs) -> None:
    name = "unknown" if ended.thread is None else ended.thread.name
    error = ended.exc_value
    _log.critical("the thread %s ended by an exception", name, exc_info=error if error is not None else True)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _about(requests: tuple[RequestContext, ...]) -> dict[str, Any]:
    """Of one request its IDs; of several, such as those that the device works for at once, the list of each."""
    if not requests:
        return {}
    if len(requests) > 1:
        return {
            "request_ids": [request.request_id for request in requests],
            "trace_ids": [request.trace.trace_id for request in requests],
        }
    (request,) = requests
    return {
        "request_id": request.request_id,
        "trace_id": request.trace.trace_id,
        "span_id": request.trace.span_id,
    }
