"""How the learning rate goes within a stage."""

from dataclasses import dataclass
from math import cos, pi

from training.ranges import check_range


@dataclass(frozen=True, slots=True)
class WarmupCosine:
    """A linear warm-up, then a cosine down to zero at the stage's end.

    Attributes:
        learning_rate: the highest; reached after `warmup_steps`.
    """

    learning_rate: float
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        check_range(self, "learning_rate", "warmup_steps", least=0)


@dataclass(frozen=True, slots=True)
class StepDecay:
    """A constant rate that falls once; the defaults are of Liao & Shao 2020, Section 5.1.

    Attributes:
        learning_rate: until `epochs` have passed, of the new layers.
        factor: of the rate afterwards.
    """

    learning_rate: float = 0.01
    epochs: int = 40
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_range(self, "learning_rate", "epochs", "factor", least=0)


Schedule = WarmupCosine | StepDecay


def learning_rate(schedule: Schedule, step: int, num_steps: int, steps_per_epoch: int) -> float:
    """The rate of a step, counted from 0 within a stage of `num_steps`."""
    match schedule:
        case WarmupCosine():
            return _warm_up_and_fall(schedule, step, num_steps)
        case StepDecay():
            has_fallen = step // steps_per_epoch >= schedule.epochs
            return schedule.learning_rate * (schedule.factor if has_fallen else 1.0)


def _warm_up_and_fall(schedule: WarmupCosine, step: int, num_steps: int) -> float:
    if step < schedule.warmup_steps:
        return schedule.learning_rate * (step + 1) / schedule.warmup_steps
    progress = (step - schedule.warmup_steps) / max(1, num_steps - schedule.warmup_steps)
    return schedule.learning_rate * 0.5 * (1 + cos(pi * progress))
