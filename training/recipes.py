"""Recipes: everything that decides a training run, as a value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from model.config import ModelConfig
from training.augmentation import Augmentation
from training.synthetic.walks import Traffic

# Few crops of each walk: for the same number of crops, more people.
_VARIED = Traffic(seconds_between_groups=25.0, fewest_crops=2, most_crops=4)


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """Which synthetic network to draw; see `SyntheticNetwork`."""

    seed: int
    num_people: int
    num_cameras: int
    traffic: Traffic = field(default_factory=Traffic)


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run with one input size and one course of the learning rate.

    Attributes:
        input_height, input_width: of the crops.
        steps: batches.
        persons_per_batch, crops_per_person: their product is the batch size.
        classes_per_step: at most so many classes of the memory are scored in a step; the paper scores all.
        learning_rate: the highest; reached after `warmup_steps`, then a cosine down to zero.
    """

    input_height: int
    input_width: int
    steps: int
    persons_per_batch: int
    crops_per_person: int
    classes_per_step: int
    learning_rate: float
    warmup_steps: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """A training run.

    Attributes:
        name: of the recipe.
        model_config: of the result; the last stage has its input size.
        networks: what is trained on, all different people.
        validation: never trained on.
        stages: one after the other, on the same weights.
        gamma: of the focal loss.
        imagenet_weights: start with torchvision's backbone trained on ImageNet, as the paper does; else from scratch.
        contrastive_loss_weight: of an auxiliary contrastive loss on the backbone's features, averaged in stripes; 0 for
            none. The paper has none: it starts from ImageNet weights, where QAConv alone learns at once.
        crop_height, crop_width: size at which crops are kept in memory.
        seed: of weights, batches and augmentation.
    """

    name: str
    model_config: ModelConfig
    networks: tuple[NetworkPlan, ...]
    validation: NetworkPlan
    stages: tuple[Stage, ...]
    augmentation: Augmentation = field(default_factory=Augmentation)
    gamma: float = 2.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    largest_gradient_norm: float = 10.0
    imagenet_weights: bool = False
    contrastive_loss_weight: float = 0.0
    crop_height: int = 256
    crop_width: int = 96
    seed: int = 1

    def __post_init__(self) -> None:
        last = self.stages[-1]
        if (last.input_height, last.input_width) != (self.model_config.input_height, self.model_config.input_width):
            raise ValueError(
                f"the last stage trains at {last.input_height}x{last.input_width}, the model takes "
                f"{self.model_config.input_height}x{self.model_config.input_width}: give both the same size"
            )


def synthetic_resnet18() -> Recipe:
    """The checkpoint that comes with the project: from scratch on synthetic people, within an hour on one CPU core.

    Without ImageNet weights the paper's learning rates (0.001 and 0.01) are too low; 0.05 for all layers with a warm-up
    and a cosine trains well. Most steps run on small crops, which cost a sixth; the last stage adapts to the full size.
    """
    return Recipe(
        name="synthetic_resnet18",
        model_config=ModelConfig(backbone="resnet18", final_layer="layer3", channels=128, neck_batch_norm=True),
        networks=tuple(NetworkPlan(100 + index, num_people=100, num_cameras=8, traffic=_VARIED) for index in range(14)),
        validation=NetworkPlan(seed=9001, num_people=60, num_cameras=6),
        stages=(
            Stage(192, 64, 2900, 16, 4, 192, 0.05, 120),
            Stage(384, 128, 240, 16, 4, 96, 0.01, 20),
        ),
        contrastive_loss_weight=1.0,
    )


def tiny() -> Recipe:
    """Seconds of training for a look at the machinery; the result is of no use."""
    return Recipe(
        name="tiny",
        model_config=ModelConfig(
            input_height=64, input_width=32, backbone="resnet18", final_layer="layer2", channels=32
        ),
        networks=(NetworkPlan(seed=1, num_people=12, num_cameras=3, traffic=_VARIED),),
        validation=NetworkPlan(seed=2, num_people=4, num_cameras=2, traffic=_VARIED),
        stages=(Stage(64, 32, 30, 4, 4, 12, 0.02, 5),),
        contrastive_loss_weight=1.0,
        crop_height=64,
        crop_width=32,
    )


RECIPES: Mapping[str, Callable[[], Recipe]] = {recipe.__name__: recipe for recipe in (synthetic_resnet18, tiny)}
