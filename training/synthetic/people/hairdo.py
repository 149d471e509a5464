"""What is on a head: hair, beard, glasses and what is worn on it."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from training.synthetic.people.palette import Color, sample_above, sample_bag, sample_bright, sample_hair, shaded
from training.synthetic.people.patterns import Fabric, sample_fabric


class HairStyle(Enum):
    """Shape of the hair."""

    BALD = "bald"
    CROPPED = "cropped"
    SHORT = "short"
    FULL = "full"
    BOB = "bob"
    LONG = "long"
    PONYTAIL = "ponytail"
    BUN = "bun"


class Headwear(Enum):
    """What is worn on the head."""

    NONE = "none"
    CAP = "cap"
    BEANIE = "beanie"
    BRIM = "brim"
    HOOD = "hood"
    HEADSCARF = "headscarf"


@dataclass(frozen=True, slots=True)
class Head:
    """A head.

    Attributes:
        volume: how far the hair stands off, body heights.
        length: how far long hair or a ponytail hangs below the chin, body heights.
        fringe: how low the hair comes on the forehead, 0 to 1.
        tips: colour of the ends of the hair.
        beard: its colour; None for none.
        glasses: colour of their rims; None for none.
        brim_turn: of a cap, radians: 0 to the front.
        scarf: around the neck; None for none.
        width: of the face, as a factor.
    """

    hair_style: HairStyle
    hair: Color
    tips: Color
    volume: float
    length: float
    fringe: float
    beard: Color | None
    has_full_beard: bool
    glasses: Color | None
    has_mask: bool
    headwear: Headwear
    headwear_fabric: Fabric
    headwear_trim: Color
    brim_turn: float
    scarf: Fabric | None
    width: float


def sample_head(random: np.random.Generator, *, is_woman: bool, is_child: bool) -> Head:
    """Draw a head: men's hair is mostly short, women's mostly long, and a fifth of the heads is covered."""
    shares = (
        (0.0, 0.02, 0.08, 0.06, 0.2, 0.38, 0.16, 0.1) if is_woman else (0.09, 0.26, 0.44, 0.1, 0.05, 0.02, 0.02, 0.02)
    )
    style = list(HairStyle)[int(random.choice(len(shares), p=shares))]
    hair = sample_hair(random)
    wears = (0.86, 0.03, 0.03, 0.02, 0.02, 0.04) if is_woman else (0.80, 0.10, 0.05, 0.02, 0.03, 0.0)
    has_beard = not is_woman and not is_child and random.random() < 0.38
    return Head(
        hair_style=style,
        hair=hair,
        tips=shaded(hair, float(random.uniform(1.3, 2.4))) if is_woman and random.random() < 0.2 else hair,
        volume=_sample_volume(random, style),
        length=float(random.uniform(0.03, 0.19)),
        fringe=float(random.uniform(0.0, 1.0)),
        beard=shaded(hair, float(random.uniform(0.8, 1.1))) if has_beard else None,
        has_full_beard=bool(random.random() < 0.55),
        glasses=(20.0, 20.0, 22.0) if random.random() < 0.2 else None,
        has_mask=bool(random.random() < 0.03),
        headwear=list(Headwear)[int(random.choice(len(wears), p=wears))],
        headwear_fabric=sample_fabric(random, sample_above(random), sample_above(random), 0.8),
        headwear_trim=sample_bright(random) if random.random() < 0.4 else sample_bag(random),
        brim_turn=float(np.pi) if random.random() < 0.12 else 0.0,
        scarf=sample_fabric(random, sample_above(random), sample_above(random), 0.6)
        if random.random() < 0.08
        else None,
        width=float(random.normal(1.0, 0.035)),
    )


def _sample_volume(random: np.random.Generator, style: HairStyle) -> float:
    if style is HairStyle.FULL:
        return float(random.uniform(0.016, 0.045))
    if style in {HairStyle.BOB, HairStyle.LONG}:
        return float(min(0.004 + random.gamma(1.6, 0.005), 0.03))
    return float(random.uniform(0.004, 0.014))
