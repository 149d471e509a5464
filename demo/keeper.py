"""Runs the service on behalf of the demo and ends it when the demo is gone, however that came about.

    python -m demo.keeper FOLDER COMMAND…

The demo holds the other end of this process's standard input. When that closes, because the demo closed it or was
killed, the command is ended and the folder of its records removed.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

# Longer than the service gives requests in flight at its end.
_PATIENCE_SECONDS = 20.0


def main(arguments: Sequence[str]) -> int:
    """Run the command until it ends or standard input does; returns the command's exit status."""
    folder, *command = arguments
    service = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end_service(number: int, frame: FrameType | None) -> None:
        service.terminate()

    signal.signal(signal.SIGTERM, end_service)
    was_left = threading.Event()
    threading.Thread(target=_end_when_left, args=(service, was_left), daemon=True).start()
    status = service.wait()
    if was_left.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return status


def _end_when_left(service: "subprocess.Popen[bytes]", was_left: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    was_left.set()
    service.terminate()
    try:
        service.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        service.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
