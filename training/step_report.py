"""What a training step tells of itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepReport:
    """What a training step did.

    Attributes:
        stage, epoch, step: their numbers: the epoch's in its stage, the step's in the whole run.
        steps: of the epoch, and `step_of_epoch` how many of them are done.
        loss: of the batch, and `parts` what it is made of, by name.
        accuracy: see the objective; None where no crop could be right or wrong.
        crops_per_second: of this step, waiting for crops included.
    """

    stage: int
    epoch: int
    step: int
    step_of_epoch: int
    steps: int
    loss: float
    parts: tuple[tuple[str, float], ...]
    accuracy: float | None
    learning_rate: float
    crops_per_second: float
