"""What people carry."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from training.synthetic.people.palette import Color, sample_bag, sample_bright, shaded
from training.synthetic.people.patterns import Fabric, sample_fabric


class BagKind(Enum):
    """How it is carried."""

    NONE = "none"
    BACKPACK = "backpack"
    SHOULDER_BAG = "shoulder_bag"
    CROSS_BODY = "cross_body"
    HANDBAG = "handbag"
    PLASTIC_BAG = "plastic_bag"
    SUITCASE = "suitcase"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Luggage:
    """A bag.

    Attributes:
        size: width, height, depth, body heights.
        second: colour of a pocket or a panel.
        strap: colour of straps and handles.
        roundness: of its edges, 0 for a box to 1.
        is_left: on which side it is; a cross-body strap starts at the other shoulder.
        phone: colour of the phone that is in the hand when the pose has one.
    """

    kind: BagKind
    fabric: Fabric
    second: Color
    strap: Color
    size: tuple[float, float, float]
    roundness: float
    is_left: bool
    phone: Color


# Width, height and depth of each kind, body heights: the middles of what is sold.
_SIZES = {
    BagKind.NONE: (0.1, 0.1, 0.1),
    BagKind.BACKPACK: (0.175, 0.26, 0.09),
    BagKind.SHOULDER_BAG: (0.17, 0.16, 0.06),
    BagKind.CROSS_BODY: (0.16, 0.13, 0.055),
    BagKind.HANDBAG: (0.17, 0.15, 0.06),
    BagKind.PLASTIC_BAG: (0.15, 0.21, 0.07),
    BagKind.SUITCASE: (0.22, 0.33, 0.13),
    BagKind.FOLDER: (0.15, 0.19, 0.015),
}


def sample_luggage(random: np.random.Generator, *, is_woman: bool) -> Luggage:
    """Draw what somebody carries; half carry nothing."""
    shares = (
        (0.43, 0.15, 0.16, 0.08, 0.09, 0.04, 0.02, 0.03)
        if is_woman
        else (0.53, 0.21, 0.04, 0.09, 0.03, 0.05, 0.02, 0.03)
    )
    kind = list(BagKind)[int(random.choice(len(shares), p=shares))]
    color = sample_bag(random)
    if kind in {BagKind.PLASTIC_BAG, BagKind.FOLDER}:
        color = sample_bright(random)
    width, height, depth = (extent * float(random.uniform(0.75, 1.25)) for extent in _SIZES[kind])
    return Luggage(
        kind=kind,
        fabric=sample_fabric(random, color, sample_bag(random), 0.85),
        second=sample_bag(random) if random.random() < 0.5 else shaded(color, 0.75),
        strap=shaded(color, 0.8) if random.random() < 0.7 else sample_bag(random),
        size=(width, height, depth),
        roundness=float(random.uniform(0.1, 0.6)),
        is_left=bool(random.random() < 0.5),
        phone=(18.0, 18.0, 20.0) if random.random() < 0.7 else sample_bright(random),
    )
