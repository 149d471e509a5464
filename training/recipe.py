"""A recipe: everything that decides a training run, as a value."""

from dataclasses import dataclass, field

from model.config import ModelConfig
from training.augmentation.settings import Augmentation
from training.learning_rate import Schedule
from training.losses.contrastive import ContrastiveSettings
from training.objectives.build_objective import ObjectiveSettings
from training.objectives.pairwise_matching import PairwiseMatching
from training.optimization import OptimizerSettings
from training.precision import DeviceName, TrainingPrecision
from training.ranges import check_range
from training.sampling.build_batches import Sampling
from training.sources.drawn_networks import DrawnNetworks, NetworkPlan
from training.sources.fresh_renderings import FreshRenderings
from training.sources.named_dataset import NamedDataset

Source = DrawnNetworks | FreshRenderings | NamedDataset


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run with one input size, one way to make batches and one course of the learning rate.

    Attributes:
        input_height, input_width: of the crops.
        epochs: after each the run can be resumed, and its model is validated.
        steps_per_epoch: batches; 0 for as many as the sampling has in an epoch.
    """

    input_height: int
    input_width: int
    epochs: int
    sampling: Sampling
    schedule: Schedule
    steps_per_epoch: int = 0

    def __post_init__(self) -> None:
        check_range(self, "input_height", "input_width", "epochs", least=1)
        check_range(self, "steps_per_epoch", least=0)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A training run. The parts are described where they are defined.

    Attributes:
        name: of the recipe.
        model_config: of the result; the last stage has its input size.
        source: what is trained on.
        validation: a synthetic network that is never trained on.
        stages: one after the other, on the same weights.
        imagenet_weights: start with a backbone trained on ImageNet, as the paper does; see `build_backbone`.
        start_from: a checkpoint's file, whose weights training starts with: of the same architecture, whatever its
            input size. Neither given: from random weights.
        freezes_statistics: the network's batch normalisations keep the means and variances that they began with and
            learn their weights alone, as in the authors' code of 2022. Those of the matching head still follow its
            batches. Not with a backbone of random weights, whose first statistics fit nothing.
        frozen_parts: so many of the backbone's first children (of EfficientNet-Lite its stem, then its stages) keep the
            weights and statistics that they began with. They know photographs, which drawings do not teach, and having
            the largest maps they cost the most to train. Not of a backbone of random weights.
        contrastive: an auxiliary loss.
        seed: of weights, batches and augmentation.
    """

    name: str
    model_config: ModelConfig
    source: Source
    validation: NetworkPlan
    stages: tuple[Stage, ...]
    objective: ObjectiveSettings
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    contrastive: ContrastiveSettings = field(default_factory=ContrastiveSettings)
    precision: TrainingPrecision = "bfloat16"
    device: DeviceName = "auto"
    imagenet_weights: bool = False
    start_from: str = ""
    freezes_statistics: bool = False
    frozen_parts: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        check_range(self, "seed", "frozen_parts", least=0)
        if self.imagenet_weights and self.start_from:
            raise ValueError(f"imagenet_weights, and start_from {self.start_from}: give one of them")
        last = self.stages[-1]
        if (last.input_height, last.input_width) != (self.model_config.input_height, self.model_config.input_width):
            raise ValueError(
                f"the last stage trains at {last.input_height}x{last.input_width}, the model takes "
                f"{self.model_config.input_height}x{self.model_config.input_width}: give both the same size"
            )
        brings_new_people = isinstance(self.source, FreshRenderings) and self.source.brings_new_people
        if brings_new_people and not isinstance(self.objective, PairwiseMatching):
            raise ValueError(
                f"source.brings_new_people is true, and {type(self.objective).__name__} knows people by their "
                "numbers: set it to false"
            )
        if self.validation.seed in _drawn_seeds(self.source):
            raise ValueError(
                f"validation.seed is {self.validation.seed}, which is trained on too: give another, for networks of "
                "one seed have the same people"
            )


def _drawn_seeds(source: Source) -> tuple[int, ...]:
    """Of the people that a source draws."""
    match source:
        case DrawnNetworks():
            return tuple(plan.seed for plan in source.networks)
        case FreshRenderings():
            return (source.seed,)
        case NamedDataset():
            return ()
