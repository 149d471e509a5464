"""Synthetic networks drawn once, before training."""

from collections.abc import Callable
from dataclasses import dataclass, field

from training.datasets.crop_pixels import join_crop_pixels, read_crop_pixels
from training.sources.training_crops import FixedCrops
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


@dataclass(frozen=True, slots=True)
class DrawnNetworks:
    """Several networks, whose people are all different.

    Attributes:
        crop_height, crop_width: size at which crops are kept in memory.
    """

    networks: tuple[NetworkPlan, ...]
    crop_height: int = 256
    crop_width: int = 96


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
