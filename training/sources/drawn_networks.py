"""Synthetic networks drawn once, before training."""

from collections.abc import Callable
from dataclasses import dataclass, field

from training.datasets.crop_pixels import join_crop_pixels, read_crop_pixels
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
        seeds = [plan.seed for plan in self.networks]
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"networks of the seeds {seeds}: give each another, or its people are counted twice")


def build_network(plan: NetworkPlan) -> SyntheticNetwork:
    """The synthetic network of a plan, beginning at time 0."""
    return SyntheticNetwork(plan.seed, plan.num_people, plan.num_cameras, traffic=plan.traffic)


def draw_networks(source: DrawnNetworks, num_processes: int, on_progress: OnProgress) -> FixedCrops:
    """Draw all crops of a source."""
    parts, sources = [], []
    for number, plan in enumerate(source.networks):
        network = build_network(plan)
        parts.append(read_crop_pixels(network, source.crop_height, source.crop_width, num_processes))
        sources += [f"network {plan.seed}, {crop.track_id} at {crop.timestamp_seconds:.1f} s" for crop in network]
        on_progress("drawing networks", number + 1, len(source.networks))
    return FixedCrops(join_crop_pixels(parts), sources)
