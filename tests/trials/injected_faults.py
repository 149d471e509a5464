"""Makes one step of writing fail, or end the process, in a service that was forked for that.

Steps are the calls by which a write goes to the disk (each put and delete of a transaction, the commit), to Redis and
to the device. They are counted from the start of the process; `install` is called there before anything else.
"""

import os
import signal
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import lmdb
from redis.asyncio.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.gallery.device_gallery import DeviceGallery
from service.gallery.slot_table import SlotTable
from service.storage.group_commit import GroupCommit

# What a step raises where it fails. Those that are not here cannot fail: after a commit the record is on the disk, and
# LMDB says so.
ERRORS: dict[str, Callable[[], Exception]] = {
    "before disk put": lambda: lmdb.Error("injected"),
    "before disk delete": lambda: lmdb.Error("injected"),
    "before disk commit": lambda: lmdb.DiskError("injected"),
    "before Redis": lambda: RedisConnectionError("injected"),
    "after Redis": lambda: RedisTimeoutError("injected"),
    "before device put": lambda: RuntimeError("injected"),
    "after device put": lambda: RuntimeError("injected"),
    "before device remove": lambda: RuntimeError("injected"),
    "after device remove": lambda: RuntimeError("injected"),
}


class _Steps:
    """Writes the name of every step to a file, and does its worst at one of them."""

    def __init__(self, trace_path: str, target: int, action: str) -> None:
        self._trace = os.open(trace_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._target = target
        self._action = action
        self._count = 0
        self._lock = threading.Lock()

    def reach(self, name: str) -> None:
        with self._lock:
            number = self._count
            self._count += 1
            os.write(self._trace, f"{name}\n".encode())
        if number == self._target:
            if self._action == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ERRORS[name]()


def install(trace_path: str, target: str, action: str) -> None:
    """Puts the steps under watch.

    Args:
        trace_path: a line for each step is appended to this file.
        target: number of the step, from 0, that is to fail; −1 for none.
        action: `kill`, or `raise`.
    """
    steps = _Steps(trace_path, int(target), action)
    _watch(SlotTable, "reserve", "slot reserve", steps)
    _watch(DeviceGallery, "put", "device put", steps)
    _watch(DeviceGallery, "remove", "device remove", steps)
    _watch_redis(steps)
    begin = GroupCommit.__init__

    @wraps(begin)
    def begin_watched(self: GroupCommit, environment: lmdb.Environment, *arguments: Any, **more: Any) -> None:  # noqa: ANN401
        watched: Any = _WatchedEnvironment(environment, steps)
        begin(self, watched, *arguments, **more)

    GroupCommit.__init__ = begin_watched  # type: ignore[method-assign]


def _watch(owner: type, method: str, name: str, steps: _Steps) -> None:
    function = getattr(owner, method)

    @wraps(function)
    def watched(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        steps.reach(f"before {name}")
        result = function(*arguments, **more)
        steps.reach(f"after {name}")
        return result

    setattr(owner, method, watched)


def _watch_redis(steps: _Steps) -> None:
    execute = Pipeline.execute

    @wraps(execute)
    async def watched(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        steps.reach("before Redis")
        result = await execute(*arguments, **more)
        steps.reach("after Redis")
        return result

    Pipeline.execute = watched  # type: ignore[method-assign]


class _WatchedEnvironment:
    """An LMDB environment whose write transactions are watched."""

    def __init__(self, environment: lmdb.Environment, steps: _Steps) -> None:
        self._environment = environment
        self._steps = steps

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._environment, name)

    def begin(self, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        transaction = self._environment.begin(*arguments, **more)
        return _WatchedTransaction(transaction, self._steps) if more.get("write") else transaction


class _WatchedTransaction:
    def __init__(self, transaction: Any, steps: _Steps) -> None:  # noqa: ANN401
        self._transaction = transaction
        self._steps = steps

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._transaction, name)

    def __enter__(self) -> "_WatchedTransaction":
        self._transaction.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:  # noqa: ANN401
        if kind is not None:
            return self._transaction.__exit__(kind, error, trace)
        try:
            self._steps.reach("before disk commit")
        except lmdb.Error:
            self._transaction.abort()
            raise
        result = self._transaction.__exit__(kind, error, trace)
        self._steps.reach("after disk commit")
        return result

    def put(self, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        self._steps.reach("before disk put")
        return self._transaction.put(*arguments, **more)

    def delete(self, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        self._steps.reach("before disk delete")
        return self._transaction.delete(*arguments, **more)
