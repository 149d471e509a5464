"""Times several ways to do the same: all take turns within every repeat, so that what slows the machine slows all."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name")
Work = Callable[[], object]

# For some milliseconds after its work, torch's threads wait for more by keeping their cores busy: the way whose turn
# comes next would have fewer of two cores (4 ms of 25, measured).
_PAUSE_SECONDS = 0.01


def take_turns(works: Mapping[Name, Work], repeats: int) -> Mapping[Name, Sequence[float]]:
    """Seconds of every repeat, by the work's name; a first turn that only warms up is not among them."""
    seconds: dict[Name, list[float]] = {name: [] for name in works}
    for repeat in range(-1, repeats):
        for name, work in works.items():
            time.sleep(_PAUSE_SECONDS)
            taken = time_once(work)
            if repeat >= 0:
                seconds[name].append(taken)
    return seconds


def choose_fastest(works: Mapping[Name, Work]) -> Name:
    """The work whose best of three turns is the shortest, after one to warm up."""
    seconds = take_turns(works, 3)
    return min(seconds, key=lambda name: min(seconds[name]))


def time_once(work: Work) -> float:
    """Seconds on the clock."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
