"""A program that writes an audit record over several days and sessions and says what was acknowledged, to be run on a
disk that forgets.

    python -m tests.trials.audit_workload DIRECTORY ENTRIES
"""

import asyncio
import os
import sys
from pathlib import Path

from service.storage.audit.audit_log import AuditLog
from service.storage.durable_directory import make_directory
from tests.service.storage.audit_writing import HeldClock, event
from tests.trials.forgetful_disk import ACKNOWLEDGEMENTS

_ENTRIES_OF_A_DAY = 9
_ENTRIES_OF_A_SESSION = 25


async def _session(directory: Path, descriptor: int, clock: HeldClock, numbers: range) -> None:
    audit = AuditLog.open(directory / "data", clock_us=clock)
    for number in numbers:
        if number % _ENTRIES_OF_A_DAY == 0:
            clock.pass_days(1)
        await audit.record(event(number))
        os.write(descriptor, f"{number}\n".encode())
    audit.close()


def run(directory: Path, entries: int) -> None:
    """Writes entries one after the other, in sessions that open and close the record."""
    make_directory(directory / "data")
    descriptor = os.open(directory / ACKNOWLEDGEMENTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    clock = HeldClock()
    for first in range(0, entries, _ENTRIES_OF_A_SESSION):
        numbers = range(first, min(entries, first + _ENTRIES_OF_A_SESSION))
        asyncio.run(_session(directory, descriptor, clock, numbers))


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]))
