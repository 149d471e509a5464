"""A process that has PyTorch imported and forks services: a start costs a tenth of a second and not four.

A forked service is a process like any other: it runs the real command line, and `kill -9` ends it and nothing else.
Nothing here starts a thread, and no loop runs: what is forked is one thread that has imported modules.

Orders come as lines of JSON on standard input, answers go as lines to standard output.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from service.main import main

# By name: it is imported for the time that it takes, and not for what is in it.
import_module("service.api.server")


def run() -> None:
    """Carry out orders until whoever gives them is gone; then end what is still running."""
    children: set[int] = set()
    print("forking", flush=True)  # noqa: T201 - this line says that the imports are done
    for line in sys.stdin:
        order = json.loads(line)
        if "ended" in order:
            answer: object = _exit_status(order["ended"], children)
        elif (child := os.fork()) == 0:
            _become_service(order)
        else:
            children.add(child)
            answer = child
        print(json.dumps(answer), flush=True)  # noqa: T201
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    os._exit(0)  # as the children: PyTorch takes its time to be torn down


def _exit_status(child: int, children: set[int]) -> int | None:
    """How a child ended, below zero by which signal; None while it runs."""
    found, status = os.waitpid(child, os.WNOHANG)
    if found == 0:
        return None
    children.discard(child)
    return os.waitstatus_to_exitcode(status)


def _become_service(order: dict[str, Any]) -> NoReturn:
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.update(order["environment"])
    if order["before"]:
        module, function = order["before"].split(":")
        getattr(import_module(module), function)(*order["arguments_before"])
    try:
        main(order["arguments"])
    except SystemExit as ended:
        # The service has closed all it had. To tear down PyTorch takes another second, and proves nothing.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 0)
    os._exit(0)


if __name__ == "__main__":
    run()
