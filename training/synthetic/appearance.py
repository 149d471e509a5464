"""How one person looks: body, hair, clothes and what they carry. It is the same in every camera."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np

from training.synthetic.fabric import Fabric, Pattern
from training.synthetic.palette import (
    BAG_COLORS,
    HAIR_COLORS,
    LOWER_COLORS,
    SHOE_COLORS,
    SKIN_COLORS,
    UPPER_COLORS,
    WeightedColors,
)

Kind = TypeVar("Kind", bound=Enum)


class HairStyle(Enum):
    """Shape of the hair."""

    BALD = "bald"
    SHORT = "short"
    MEDIUM = "medium"
    LONG = "long"
    PONYTAIL = "ponytail"
    BUN = "bun"


class Headwear(Enum):
    """What is worn on the head."""

    NONE = "none"
    CAP = "cap"
    BEANIE = "beanie"
    HOOD = "hood"


class UpperKind(Enum):
    """Cut of the garment on the torso."""

    TSHIRT = "tshirt"
    LONG_SLEEVES = "long_sleeves"
    OPEN_JACKET = "open_jacket"
    CLOSED_JACKET = "closed_jacket"
    COAT = "coat"


class LowerKind(Enum):
    """Cut of the garment on the legs."""

    TROUSERS = "trousers"
    WIDE_TROUSERS = "wide_trousers"
    SHORTS = "shorts"
    SKIRT = "skirt"
    LONG_SKIRT = "long_skirt"
    DRESS = "dress"


class BagKind(Enum):
    """What is carried."""

    NONE = "none"
    BACKPACK = "backpack"
    SHOULDER_BAG = "shoulder_bag"
    HANDBAG = "handbag"


@dataclass(frozen=True, slots=True)
class Body:
    """Proportions; 1.0 is the average for the widths, 0.0 for the leg length."""

    width: float
    shoulder_width: float
    head_size: float
    leg_length: float
    height: float


@dataclass(frozen=True, slots=True)
class Logo:
    """A print on the chest or the back, as shares of the torso's width and of the person's height."""

    fabric: Fabric
    width: float
    height: float
    top: float
    is_round: bool


@dataclass(frozen=True, slots=True)
class PersonAppearance:
    """Everything about a person that a camera may see.

    Attributes:
        upper_hem: how far down the upper garment reaches, as a share of the person's height.
        bag_on_left: on which side a shoulder bag or a handbag is.
    """

    body: Body
    skin: Fabric
    hair: Fabric
    hair_style: HairStyle
    hair_length: float
    has_beard: bool
    has_glasses: bool
    headwear: Headwear
    headwear_fabric: Fabric
    upper_kind: UpperKind
    upper: Fabric
    inner: Fabric
    upper_hem: float
    front_logo: Logo | None
    back_logo: Logo | None
    has_scarf: bool
    scarf: Fabric
    lower_kind: LowerKind
    lower: Fabric
    skirt_hem: float
    legwear: Fabric
    shoes: Fabric
    sole: Fabric
    bag_kind: BagKind
    bag: Fabric
    bag_size: float
    bag_on_left: bool


def sample_appearance(random: np.random.Generator) -> PersonAppearance:
    """Draw a person. Plain dark and grey clothes are the most common, so strangers often resemble each other."""
    skin = _plain(random, SKIN_COLORS)
    upper_kind = _choose(random, UpperKind, (0.28, 0.26, 0.18, 0.16, 0.12))
    lower_kind = _choose(random, LowerKind, (0.60, 0.10, 0.10, 0.08, 0.06, 0.06))
    upper = _patterned(random, UPPER_COLORS, plain_share=0.5)
    return PersonAppearance(
        body=_sample_body(random),
        skin=skin,
        hair=_plain(random, HAIR_COLORS),
        hair_style=_choose(random, HairStyle, (0.07, 0.40, 0.16, 0.20, 0.09, 0.08)),
        hair_length=float(random.uniform(0.16, 0.34)),
        has_beard=bool(random.random() < 0.15),
        has_glasses=bool(random.random() < 0.2),
        headwear=_choose(random, Headwear, (0.80, 0.08, 0.07, 0.05)),
        headwear_fabric=_plain(random, UPPER_COLORS),
        upper_kind=upper_kind,
        upper=upper,
        inner=_patterned(random, UPPER_COLORS, plain_share=0.7),
        upper_hem=_sample_hem(random, upper_kind),
        front_logo=_sample_logo(random) if random.random() < 0.25 else None,
        back_logo=_sample_logo(random) if random.random() < 0.15 else None,
        has_scarf=bool(random.random() < 0.1),
        scarf=_patterned(random, UPPER_COLORS, plain_share=0.6),
        lower_kind=lower_kind,
        lower=upper if lower_kind is LowerKind.DRESS else _patterned(random, LOWER_COLORS, plain_share=0.85),
        skirt_hem=float(
            random.uniform(0.62, 0.74) if lower_kind is not LowerKind.LONG_SKIRT else random.uniform(0.78, 0.92)
        ),
        legwear=skin if random.random() < 0.6 else _plain(random, LOWER_COLORS),
        shoes=_plain(random, SHOE_COLORS),
        sole=_plain(random, SHOE_COLORS),
        bag_kind=_choose(random, BagKind, (0.55, 0.19, 0.15, 0.11)),
        bag=_patterned(random, BAG_COLORS, plain_share=0.85),
        bag_size=float(random.uniform(0.8, 1.25)),
        bag_on_left=bool(random.random() < 0.5),
    )


def _choose(random: np.random.Generator, kinds: type[Kind], probabilities: tuple[float, ...]) -> Kind:
    return list(kinds)[int(random.choice(len(probabilities), p=probabilities))]


def _sample_body(random: np.random.Generator) -> Body:
    return Body(
        width=float(np.clip(random.normal(1.0, 0.14), 0.75, 1.45)),
        shoulder_width=float(np.clip(random.normal(1.0, 0.09), 0.8, 1.25)),
        head_size=float(np.clip(random.normal(1.0, 0.06), 0.85, 1.15)),
        leg_length=float(np.clip(random.normal(0.0, 0.012), -0.03, 0.03)),
        height=float(np.clip(random.normal(1.0, 0.05), 0.85, 1.12)),
    )


def _sample_hem(random: np.random.Generator, kind: UpperKind) -> float:
    if kind is UpperKind.COAT:
        return float(random.uniform(0.62, 0.80))
    return float(random.uniform(0.50, 0.575))


def _plain(random: np.random.Generator, colors: WeightedColors) -> Fabric:
    color = colors.sample(random)
    return Fabric(Pattern.PLAIN, color, color, 16, 0.5, int(random.integers(2**31)))


def _patterned(random: np.random.Generator, colors: WeightedColors, plain_share: float) -> Fabric:
    others = (1 - plain_share) * np.asarray((0.28, 0.22, 0.12, 0.18, 0.08, 0.12))
    return Fabric(
        pattern=_choose(random, Pattern, (plain_share, *others)),
        main=colors.sample(random),
        second=UPPER_COLORS.sample(random),
        period=int(random.integers(8, 30)),
        duty=float(random.uniform(0.2, 0.6)),
        seed=int(random.integers(2**31)),
    )


def _sample_logo(random: np.random.Generator) -> Logo:
    return Logo(
        fabric=_patterned(random, UPPER_COLORS, plain_share=0.6),
        width=float(random.uniform(0.25, 0.75)),
        height=float(random.uniform(0.03, 0.13)),
        top=float(random.uniform(0.22, 0.30)),
        is_round=bool(random.random() < 0.4),
    )
