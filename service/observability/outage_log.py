"""Logs a fault that lasts: when it begins or changes, then every minute, and when it is over."""

import logging
import time
from collections.abc import Callable

_SECONDS_BETWEEN_LINES = 60.0


class OutageLog:
    """What one loop that tries again and again says of its failures.

    Args:
        logger: where the lines go.
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, logger: logging.Logger, now: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._now = now
        self._reason: str | None = None
        self._began = 0.0
        self._said = 0.0

    @property
    def is_failing(self) -> bool:
        """Whether it failed last."""
        return self._reason is not None

    def failed(self, reason: str, *, exc_info: bool = False) -> None:
        """It failed, once more or for the first time."""
        now = self._now()
        is_new = reason != self._reason
        if self._reason is None:
            self._began = now
        if is_new or now - self._said >= _SECONDS_BETWEEN_LINES:
            since = "" if is_new else f" (for {now - self._began:.0f} s now)"
            self._logger.warning("%s; trying again%s", reason, since, exc_info=exc_info)
            self._said = now
        self._reason = reason

    def succeeded(self) -> None:
        """It worked; says so where it did not before."""
        if self._reason is not None:
            self._logger.info("it works again, after %.0f s: %s", self._now() - self._began, self._reason)
            self._reason = None
