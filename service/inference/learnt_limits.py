"""How large a batch may be after a larger one did not fit into the device's memory, for a while."""

import time
from collections.abc import Callable

# Memory that somebody else held may be free again: then a large batch is tried again, at the price of one failure.
_REMEMBERED_SECONDS = 60.0


class LearntLimits:
    """Largest batches by operation: as set, or half of what did not fit less than a minute ago."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._learnt: dict[str, tuple[int, float]] = {}

    def of(self, operation: str, max_batch: int) -> int:
        """The largest batch that is worth a try, at most `max_batch`."""
        limit, until = self._learnt.get(operation, (max_batch, 0.0))
        return min(limit, max_batch) if self._now() < until else max_batch

    def learn(self, operation: str, size: int) -> None:
        """A batch of this size did not fit."""
        self._learnt[operation] = (self.of(operation, max(1, size // 2)), self._now() + _REMEMBERED_SECONDS)
