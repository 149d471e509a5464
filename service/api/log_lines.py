"""How the service logs: one line each, to standard error, with the ID of the request that it is about."""

import logging
import logging.config
from typing import Any

from service.api.request_id import RequestIdFilter

_CONFIGURATION: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": RequestIdFilter}},
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s request_id=%(request_id)s %(message)s"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
            "formatter": "line",
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "service": {"level": "INFO"},
        # Uvicorn's own lines of what was asked have no request ID; the service writes them itself.
        "uvicorn.access": {"level": "WARNING"},
    },
}


def configure_logging() -> None:
    """Sets up the process's logging. Called once, by the process that serves."""
    logging.config.dictConfig(_CONFIGURATION)
