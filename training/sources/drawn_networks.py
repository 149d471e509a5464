"""Synthetic networks drawn once, before training."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from training.datasets.crop_pixels import read_crop_pixels
from training.datasets.labelled_crop import LabelledCrop
from training.sources.training_crops import FixedCrops, check_crop_size
from training.synthetic.network import SyntheticNetwork
from training.synthetic.walks import Traffic

# Called with what is being done, how much of it is done, and of how much.
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """Which synthetic network to draw; see `SyntheticNetwork`."""

    seed: int
    num_people: int
    num_cameras: int
    traffic: Traffic = field(default_factory=Traffic)

    def __post_init__(self) -> None:
        if self.seed < 0 or self.num_people < 1 or self.num_cameras < 1:
            raise ValueError(
                f"a network has seed {self.seed}, num_people {self.num_people} and num_cameras {self.num_cameras}: "
                "give a seed of 0 or more, and at least 1 of the others"
            )


@dataclass(frozen=True, slots=True)
class DrawnNetworks:
    """Several networks, whose people are all different.

    Attributes:
        crop_height, crop_width: size at which crops are kept in memory.
    """

    networks: tuple[NetworkPlan, ...]
    crop_height: int = 256
    crop_width: int = 96

    def __post_init__(self) -> None:
        check_crop_size(self.crop_height, self.crop_width)
        if not self.networks:
            raise ValueError("networks is empty: give at least one, or there is nobody to train on")
        seeds = [plan.seed for plan in self.networks]
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"networks of the seeds {seeds}: give each another, or its people are counted twice")


def build_network(plan: NetworkPlan) -> SyntheticNetwork:
    """The synthetic network of a plan, beginning at time 0."""
    return SyntheticNetwork(plan.seed, plan.num_people, plan.num_cameras, traffic=plan.traffic)


def draw_networks(source: DrawnNetworks, num_processes: int, on_progress: OnProgress) -> FixedCrops:
    """Draw all crops of a source, straight into one array."""
    crops = [crop for plan in source.networks for crop in _named_crops(plan)]
    pixels = read_crop_pixels(
        crops, source.crop_height, source.crop_width, num_processes, partial(on_progress, "drawing crops")
    )
    return FixedCrops(pixels, [crop.source for crop in crops])


def _named_crops(plan: NetworkPlan) -> Iterator[LabelledCrop]:
    """The crops of a network under names that no other network has."""
    name = f"network {plan.seed}"
    for crop in build_network(plan):
        yield replace(
            crop,
            person_id=f"{name}, {crop.person_id}",
            camera_id=f"{name}, {crop.camera_id}",
            source=f"{name}, {crop.track_id} at {crop.timestamp_seconds:.1f} s",
        )
