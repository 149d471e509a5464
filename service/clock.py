"""The time of day, as an argument that tests hold."""

import time
from collections.abc import Callable

Clock = Callable[[], int]


def system_clock() -> int:
    """Microseconds since the Unix epoch, now."""
    return time.time_ns() // 1000
