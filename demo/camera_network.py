"""What the demo shows: a synthetic camera network, divided into a gallery and queries."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from training.datasets.labelled_crop import LabelledCrop
from training.synthetic.network import SyntheticNetwork

# No checkpoint is trained on this seed: the demo's people and cameras are new to it.
SEED = 20_261_120
NUM_PEOPLE = 48
NUM_CAMERAS = 6
START_TIME = 1_795_161_600.0  # 2026-11-20 08:00 UTC
NUM_QUERIES = 25


@dataclass(frozen=True, slots=True)
class Division:
    """Crops in time order; no query is in the gallery, and each query's person is there, seen by another camera."""

    gallery: list[LabelledCrop]
    queries: list[LabelledCrop]


def draw_network() -> Division:
    """The demo's network, the same every time."""
    return divide(SyntheticNetwork(SEED, NUM_PEOPLE, NUM_CAMERAS, START_TIME), NUM_QUERIES)


def divide(crops: Sequence[LabelledCrop], num_queries: int) -> Division:
    """Take one query from each of the first `num_queries` people whom several cameras saw.

    Raises:
        ValueError: there are fewer such people.
    """
    tracks: dict[str, dict[str, list[LabelledCrop]]] = defaultdict(lambda: defaultdict(list))
    for crop in crops:
        tracks[crop.person_id][crop.track_id].append(crop)
    seen_twice = [
        list(walks.values()) for walks in tracks.values() if len({walk[0].camera_id for walk in walks.values()}) > 1
    ]
    if len(seen_twice) < num_queries:
        raise ValueError(f"{num_queries} queries need as many people seen by two cameras; there are {len(seen_twice)}")
    # Each person's walk is another one, so that first and last sightings, and all cameras, are asked for.
    walks = [person[number % len(person)] for number, person in enumerate(seen_twice[:num_queries])]
    queries = [walk[len(walk) // 2] for walk in walks]
    return Division([crop for crop in crops if crop not in queries], queries)
