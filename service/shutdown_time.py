"""The time that the service takes to end: one for all that is in flight, be it over HTTP or out of a stream."""

import asyncio
import time
from collections.abc import Callable


class ShutdownTime:
    """Begins once, at the first sign that the service is to end.

    Args:
        seconds: what there is in all.
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self.has_begun = asyncio.Event()
        self._seconds = seconds
        self._now = now
        self._ends = 0.0

    def begin(self) -> None:
        """From here on nothing new is begun. Nothing, where that was said before."""
        if not self.has_begun.is_set():
            self._ends = self._now() + self._seconds
            self.has_begun.set()

    @property
    def seconds_left(self) -> float:
        """All of it before it has begun, at least 0."""
        return max(0.0, self._ends - self._now()) if self.has_begun.is_set() else self._seconds
