"""One thread that hands everything that waits to a function together: what a group commit is made of.

A commit waits for the disk, which takes about as long for one write as for sixty. While it waits, further ones gather;
the next commit takes them all.
"""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from service.errors import QueueFull, Unavailable

# Enough that the disk's waiting is shared well; few enough that a commit stays well below a second.
MAX_GROUP = 64

_logger = logging.getLogger(__name__)


class Answered(Protocol):
    """What waits for its turn, and whose caller waits for the answer."""

    @property
    def answer(self) -> "Future[Any]":
        """Set by the function that the group was handed to."""


Item = TypeVar("Item", bound=Answered)


class GroupingThread(Generic[Item]):
    """A bounded queue, and the one thread that empties it.

    Args:
        name: the thread's.
        owner, items: what an error calls that which is closed, and what waits: "the record store", "writes".
        max_waiting: how many may wait.
        handle: is given all that wait, in their order, 1 to `MAX_GROUP` of them, and answers them. What it raises
            answers those that it left; the thread goes on.
    """

    def __init__(
        self, name: str, owner: str, items: str, max_waiting: int, handle: Callable[[Sequence[Item]], None]
    ) -> None:
        self._owner = owner
        self._items = items
        self._max_waiting = max_waiting
        self._handle = handle
        self._waiting: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._door = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether something can still be put; False once closed, or should the thread have died."""
        return self._thread.is_alive() and not self._is_closed

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return self._waiting.qsize()

    def put(self, item: Item, *, is_refusable: bool = True) -> None:
        """Let something wait for its turn.

        Args:
            item: what waits.
            is_refusable: False where it must be taken although too many wait.

        Raises:
            QueueFull: as many wait as may.
            Unavailable: closed.
        """
        with self._door:
            if not self.is_alive:
                raise Unavailable(f"{self._owner} is closed: the service is shutting down; try again later")
            waiting = self.waiting
            if is_refusable and waiting >= self._max_waiting:
                raise QueueFull(
                    f"{waiting} {self._items} wait for the disk, at most {self._max_waiting} may: try again later"
                )
            self._waiting.put(item)

    def close(self) -> None:
        """Finish what waits, then end the thread. What comes later is refused. May be called twice."""
        with self._door:
            if not self._is_closed:
                self._is_closed = True
                self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._next_group()
            if group:
                self._handle_safely(group)

    def _next_group(self) -> tuple[list[Item], bool]:
        """All that wait now, at least one, and whether more may come."""
        group: list[Item] = []
        with suppress(queue.Empty):
            while len(group) < MAX_GROUP:
                item = self._waiting.get(block=not group)
                if item is None:
                    return group, False
                group.append(item)
        return group, True

    def _handle_safely(self, group: Sequence[Item]) -> None:
        try:
            self._handle(group)
        except BaseException as error:  # a thread that died would leave its callers waiting
            _logger.exception("an exception that nobody foresaw, in the thread %s", self._thread.name)
            for item in group:
                if not item.answer.done():
                    item.answer.set_exception(error)
