"""Whether bytes of erased or replaced records may be left in the file, and so a scrub is due."""

from service.storage.page_scrubber import PageScrubber, ScrubReport


class DueScrubs:
    """Counts what asks for a scrub; a scrub serves what asked before it began."""

    def __init__(self, scrubber: PageScrubber) -> None:
        self._scrubber = scrubber
        # The first scrub is due at once: what an earlier process left is not known.
        self._requested, self._served, self._last_erasure = 1, 0, 1

    def request_for_replacement(self) -> None:
        """Note that something was replaced."""
        self._requested += 1

    def request_for_erasure(self) -> None:
        """Note that something was erased."""
        self._requested += 1
        self._last_erasure = self._requested

    @property
    def is_due(self) -> bool:
        """Whether bytes of erased or replaced records may be left in the file."""
        return self._served < self._requested

    @property
    def is_due_for_erasure(self) -> bool:
        """Whether an erasure waits for a scrub, not only what was replaced."""
        return self._served < self._last_erasure

    def scrub(self) -> ScrubReport:
        """Overwrite what the file has left of all that was noted before. Errors: `PageScrubber.scrub`."""
        requested = self._requested
        report = self._scrubber.scrub()
        self._served = requested
        return report
