"""How long a trial is, from environment variables, and the line that says what it found."""

import os
import time
from dataclasses import dataclass, field


def parameter(name: str, default: int) -> int:
    """The value of `QACONV_TRIAL_` and a name."""
    return int(os.environ.get(f"QACONV_TRIAL_{name}", default))


def seed() -> int:
    """What all random choices of a trial follow from; a new one for each run unless QACONV_TRIAL_SEED says it."""
    return parameter("SEED", int.from_bytes(os.urandom(4)))


def how_to_repeat(used_seed: int) -> str:
    return f"the seed was {used_seed}: QACONV_TRIAL_SEED={used_seed} runs the same trial again"


@dataclass(slots=True)
class Figures:
    """What a trial did, counted by name."""

    title: str
    counts: dict[str, int] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _said: float = field(default_factory=time.monotonic)

    def add(self, name: str, count: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + count

    def say(self, *, at_most_every_seconds: float = 0) -> None:
        """One line with all figures."""
        now = time.monotonic()
        if now - self._said >= at_most_every_seconds:
            self._said = now
            figures = ", ".join(f"{count} {name}" for name, count in self.counts.items())
            print(f"{self.title}: {figures}, {now - self._began:.0f} s", flush=True)  # noqa: T201 - that is what it is for
