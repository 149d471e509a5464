"""Whether the time of day can be believed, before anything is deleted because it is old.

A clock that is wrong by a year would have everything erased within seconds of a start. So the last time that was
believed is kept in the data directory, and a clock that has jumped since then is doubted: while the service runs,
against the time that the machine has been up, and at a start against the longest time that the service may have stood
still. A doubt ends when the clock is right again, or when an operator confirms it.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Self

from service.clock import Clock, system_clock
from service.errors import OtherTime
from service.records import MICROSECONDS_PER_SECOND
from service.rfc_3339 import format_moment
from service.storage.audit.audit_reading import find_newest
from service.storage.audit.audit_segments import audit_directory
from service.storage.durable_files import sync_path, write_file

# What a time server may put right at once. Nothing is erased earlier or later than by this.
TOLERANCE_SECONDS = 600
_SECONDS_BETWEEN_NOTES = 60
_NOTE = "last_time"

_logger = logging.getLogger(__name__)


def uptime() -> int:
    """Microseconds since the machine was started, in which it slept too; it never jumps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class ClockCheck:
    """The time of day, and why it is doubted. May be used from several threads.

    Args:
        note: where the last time that was believed is kept; a file.
        last_us: that time; None: there is none, and the clock is believed.
        standstill_seconds: how long the service may have stood still without a doubt.
        clock: the time of day, microseconds since the Unix epoch.
        read_uptime: microseconds since any fixed moment, of a clock that never jumps.
    """

    def __init__(
        self,
        note: Path,
        last_us: int | None,
        standstill_seconds: int,
        clock: Clock = system_clock,
        read_uptime: Callable[[], int] = uptime,
    ) -> None:
        self._note = note
        self._clock = clock
        self._read_uptime = read_uptime
        self._lock = threading.Lock()
        self._last_us = last_us
        self._slack_us = standstill_seconds * MICROSECONDS_PER_SECOND
        self._looked_at_us = read_uptime()
        self._noted_us: int | None = None
        self._doubt: str | None = None
        self.read()

    @classmethod
    def open(
        cls,
        data_dir: Path,
        standstill_seconds: int,
        clock: Clock = system_clock,
        read_uptime: Callable[[], int] = uptime,
    ) -> Self:
        """The check of a data directory's service; without a note, its audit record's last entry says when it ran.

        Raises:
            OSError: the directory cannot be read.
        """
        note = data_dir / _NOTE
        last_us = _read_note(note)
        if last_us is None and (newest := find_newest(audit_directory(data_dir))) is not None:
            last_us = _to_microseconds(newest.time)
        return cls(note, last_us, standstill_seconds, clock, read_uptime)

    @property
    def doubt(self) -> str | None:
        """Why the clock was doubted at the last look, and what to do; None where it was believed."""
        return self._doubt

    def read(self) -> int | None:
        """The time now, microseconds since the Unix epoch; None while the clock is doubted."""
        with self._lock:
            now_us, looked_at_us = self._clock(), self._read_uptime()
            reason = self._find_doubt(now_us, looked_at_us)
            if reason is not None:
                if self._doubt is None:
                    _logger.error("%s", reason)
                    self._keep(self._last_us)
                self._doubt = reason
                return None
            self._believe(now_us, looked_at_us)
            return now_us

    def confirm(self, time_us: int) -> int:
        """Believe the clock from now on, whatever it said before, if it agrees with a time that somebody vouches for.

        Args:
            time_us: what time it is, microseconds since the Unix epoch.

        Returns:
            The clock's time, in the same unit.

        Raises:
            OtherTime: the clock says another; nothing has changed.
        """
        with self._lock:
            now_us = self._clock()
            if abs(now_us - time_us) > TOLERANCE_SECONDS * MICROSECONDS_PER_SECOND:
                raise OtherTime(
                    f"the time is {format_moment(time_us)} and the service's clock says {format_moment(now_us)}, more "
                    f"than {TOLERANCE_SECONDS} s apart: set the clock of the machine that the service runs on"
                )
            self._noted_us = None
            self._believe(now_us, self._read_uptime())
            return now_us

    def _find_doubt(self, now_us: int, looked_at_us: int) -> str | None:
        if self._last_us is None:
            return None
        tolerance_us = TOLERANCE_SECONDS * MICROSECONDS_PER_SECOND
        expected_us = self._last_us + looked_at_us - self._looked_at_us
        if expected_us - tolerance_us <= now_us <= expected_us + self._slack_us + tolerance_us:
            return None
        apart = f"{_duration(abs(now_us - expected_us))} {'ahead of' if now_us > expected_us else 'behind'}"
        return (
            f"the clock says {format_moment(now_us)}, {apart} what it should say: it was last believed at "
            f"{format_moment(self._last_us)}. Nothing is erased for its age, nor the audit record trimmed, until the "
            "clock is set right, or confirmed with `qaconv-service clock confirm`"
        )

    def _believe(self, now_us: int, looked_at_us: int) -> None:
        if self._doubt is not None:
            _logger.warning("the clock is believed again, it says %s", format_moment(now_us))
        self._last_us, self._looked_at_us, self._slack_us, self._doubt = now_us, looked_at_us, 0, None
        if self._noted_us is None or abs(now_us - self._noted_us) >= _SECONDS_BETWEEN_NOTES * MICROSECONDS_PER_SECOND:
            self._keep(now_us)

    def _keep(self, time_us: int | None) -> None:
        """Note a time for the next start. Where that fails, the next start compares with an earlier one."""
        if time_us is None:
            return
        beside = self._note.with_name(f"{self._note.name}.new")
        try:
            with suppress(FileNotFoundError):
                beside.unlink()
            write_file(beside, f"{format_moment(time_us)}\n".encode())
            beside.replace(self._note)
            sync_path(self._note.parent)
            self._noted_us = time_us
        except OSError as error:
            _logger.warning("the time was not noted in %s: %s", self._note, error)


def _read_note(note: Path) -> int | None:
    try:
        return _to_microseconds(note.read_text("ascii").strip())
    except FileNotFoundError:
        return None
    except ValueError:  # not ASCII, or no time
        _logger.error("%s does not hold a time: the audit record's last entry says when the service last ran", note)
        return None


def _to_microseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * MICROSECONDS_PER_SECOND + moment.microsecond


def _duration(microseconds: int) -> str:
    seconds = microseconds / MICROSECONDS_PER_SECOND
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
