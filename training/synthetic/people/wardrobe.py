"""Clothes as they are cut, and which are worn together."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

import numpy as np

from training.synthetic.people.palette import Color, sample_above, sample_bag, sample_below, sample_bright, shaded
from training.synthetic.people.patterns import Fabric, Pattern, plain, sample_fabric
from training.synthetic.people.prints import Print, PrintKind, sample_print

Kind = TypeVar("Kind", bound=Enum)


class Collar(Enum):
    """What is at the neck."""

    CREW = "crew"
    VEE = "vee"
    SHIRT = "shirt"
    TURTLE = "turtle"
    HOOD = "hood"
    LAPELS = "lapels"
    SCOOP = "scoop"


class Closure(Enum):
    """How the front is closed."""

    NONE = "none"
    BUTTONS = "buttons"
    ZIP = "zip"
    HALF = "half"


class Blocking(Enum):
    """Where a second fabric is set in."""

    NONE = "none"
    YOKE = "yoke"
    LOWER = "lower"
    SIDES = "sides"
    HALVES = "halves"
    CHEST = "chest"


class LowerKind(Enum):
    """Cut of what is worn on the legs."""

    TROUSERS = "trousers"
    LEGGINGS = "leggings"
    WIDE_TROUSERS = "wide_trousers"
    SHORTS = "shorts"
    SKIRT = "skirt"


class ShoeKind(Enum):
    """Cut of the shoes."""

    TRAINERS = "trainers"
    SHOES = "shoes"
    BOOTS = "boots"
    SANDALS = "sandals"


@dataclass(frozen=True, slots=True)
class Top:
    """A garment of the trunk.

    Attributes:
        sleeve: share of the arm that is covered, 0 to 1.
        ease: how far it stands off the body, body heights.
        hem: height of its lower edge, body heights above the ground.
        flare: how much wider it gets below the hips, per body height.
        opening: half of the front that stands open at the hem, as a share of the way around; 0 is closed.
        trim: colour of cuffs, hem and collar where it differs.
        sleeve_stripe: colour of lines down the sleeves.
        quilting: distance of the seams of a padded jacket, body heights; 0 for none.
    """

    fabric: Fabric
    sleeve_fabric: Fabric
    sleeve: float
    ease: float
    hem: float
    flare: float
    collar: Collar
    closure: Closure
    opening: float
    blocking: Blocking
    block_fabric: Fabric
    trim: Color | None
    sleeve_stripe: Color | None
    quilting: float
    has_pockets: bool
    is_shiny: bool
    front: Print | None
    back: Print | None


@dataclass(frozen=True, slots=True)
class Lower:
    """What is worn on the legs.

    Attributes:
        hem: share of the leg that is covered, 0 to 1.
        ease: how far it stands off the leg, body heights.
        flare: of a skirt, per body height.
        pleats: of a skirt, how many.
        wash: how much lighter the fronts of the thighs are, 0 to 1.
        legwear: colour of tights or socks, None for bare legs.
        sock_top: share of the leg at which socks begin.
    """

    kind: LowerKind
    fabric: Fabric
    hem: float
    ease: float
    flare: float
    pleats: int
    wash: float
    side_stripe: Color | None
    belt: Color | None
    has_pockets: bool
    legwear: Color | None
    sock_top: float


@dataclass(frozen=True, slots=True)
class Shoes:
    """What is worn on the feet; `shaft` is the share of the leg that boots cover, 0 to 1."""

    kind: ShoeKind
    color: Color
    sole: Color
    accent: Color
    shaft: float


def sample_outfit(random: np.random.Generator, *, is_woman: bool) -> tuple[Top, Top | None, Lower, Shoes]:
    """Draw what is worn together. Half of the people wear something over their top, the others do not."""
    is_dress = is_woman and random.random() < 0.12
    is_warm = bool(random.random() < 0.5)
    top = _sample_top(random, is_woman=is_woman, is_warm=is_warm, is_dress=is_dress)
    lower = _sample_lower(random, is_woman=is_woman, is_warm=is_warm)
    outer = _sample_outer(random, lower, is_woman=is_woman) if random.random() < (0.25 if is_warm else 0.68) else None
    if outer is not None and outer.collar is Collar.LAPELS and not is_woman and random.random() < 0.3:
        colors = (sample_above(random), sample_bright(random))
        tie = Print(PrintKind.BLOCK, (0.0, 0.73), (0.02, 0.2), colors, int(random.integers(2**31)))
        top = replace(top, front=tie, collar=Collar.SHIRT)
    return top, outer, lower, _sample_shoes(random, is_woman=is_woman, is_warm=is_warm)


def _sample_top(random: np.random.Generator, *, is_woman: bool, is_warm: bool, is_dress: bool) -> Top:
    main = sample_above(random)
    fabric = sample_fabric(random, main, sample_above(random), 0.52)
    is_raglan = random.random() < 0.08
    sleeve_fabric = plain(sample_above(random), fabric.seed) if is_raglan else fabric
    sleeve = float(random.choice((0.0, 0.22, 0.42, 0.5, 0.72), p=(0.09, 0.08, 0.5, 0.23, 0.1)))
    if not is_warm:
        sleeve = float(random.choice((0.42, 0.78, 1.0), p=(0.15, 0.15, 0.7)))
    collar = _pick(
        random, Collar, (0.42, 0.1, 0.2, 0.05, 0.1 if not is_warm else 0.02, 0.0, 0.12 if is_woman else 0.03)
    )
    closure = Closure.BUTTONS if collar is Collar.SHIRT and random.random() < 0.7 else Closure.NONE
    if closure is Closure.NONE and random.random() < 0.12:
        closure = Closure.HALF
    # A fifth of the shirts is tucked in and shows the belt.
    hem = float(random.uniform(0.58, 0.61) if random.random() < 0.2 else random.uniform(0.5, 0.575))
    if is_dress:
        hem = float(random.choice((random.uniform(0.28, 0.4), random.uniform(0.1, 0.28)), p=(0.7, 0.3)))
    elif random.random() < 0.14:
        hem = float(random.uniform(0.40, 0.50))
    return _finish_top(
        random, fabric, sleeve_fabric, sleeve=sleeve, ease=float(random.gamma(2.2, 0.0045)) + 0.003, hem=hem,
        flare=float(random.uniform(0.0, 0.3)) if is_dress else float(random.uniform(-0.03, 0.12)), collar=collar,
        closure=closure, opening=0.0, print_share=0.42,
    )  # fmt: skip


def _sample_outer(random: np.random.Generator, lower: Lower, *, is_woman: bool) -> Top:
    main = sample_above(random)
    if random.random() < 0.4:
        main = shaded(main, 0.55)
    fabric = sample_fabric(random, main, sample_above(random), 0.8)
    is_vest = random.random() < 0.07
    is_coat = random.random() < (0.26 if is_woman else 0.18)
    collar = _pick(random, Collar, (0.12, 0.05, 0.22, 0.13, 0.25, 0.23, 0.0))
    if random.random() < (0.4 if collar is Collar.LAPELS else 0.04):
        main = lower.fabric.main
    sleeve_fabric = plain(sample_above(random), fabric.seed) if random.random() < 0.1 else fabric
    return _finish_top(
        random, fabric, sleeve_fabric, sleeve=0.0 if is_vest else float(random.choice((0.8, 1.0), p=(0.08, 0.92))),
        ease=float(random.uniform(0.012, 0.034)),
        hem=float(random.uniform(0.26, 0.46) if is_coat else random.uniform(0.47, 0.575)),
        flare=float(random.uniform(0.0, 0.16)), collar=collar,
        closure=_pick(random, Closure, (0.12, 0.33, 0.55, 0.0)),
        opening=float(random.uniform(0.03, 0.14)) if random.random() < 0.5 else 0.0, print_share=0.2,
    )  # fmt: skip


def _finish_top(
    random: np.random.Generator, fabric: Fabric, sleeve_fabric: Fabric, *, sleeve: float, ease: float, hem: float,
    flare: float, collar: Collar, closure: Closure, opening: float, print_share: float,
) -> Top:  # fmt: skip
    """What any garment of the trunk may have besides."""
    is_padded = ease > 0.012 and sleeve != 0.42 and random.random() < 0.2
    blocking = _pick(random, Blocking, (0.82, 0.05, 0.04, 0.04, 0.01, 0.04))
    return Top(
        fabric=fabric, sleeve_fabric=sleeve_fabric, sleeve=sleeve, ease=ease, hem=hem, flare=flare, collar=collar,
        closure=closure, opening=opening, blocking=blocking, block_fabric=plain(sample_above(random), fabric.seed + 1),
        trim=_some(random, 0.16, sample_bright(random) if random.random() < 0.5 else shaded(fabric.main, 0.5)),
        sleeve_stripe=_some(random, 0.06, sample_bright(random)),
        quilting=float(random.uniform(0.02, 0.05)) if is_padded else 0.0,
        has_pockets=bool(random.random() < 0.35), is_shiny=bool(random.random() < 0.1),
        front=sample_print(random) if random.random() < print_share and opening == 0 else None,
        back=sample_print(random) if random.random() < print_share * 0.5 else None,
    )  # fmt: skip


def _sample_lower(random: np.random.Generator, *, is_woman: bool, is_warm: bool) -> Lower:
    shares = (0.56, 0.14, 0.07, 0.09, 0.14) if is_woman else (0.78, 0.01, 0.05, 0.16, 0.0)
    if not is_warm:
        shares = (0.62, 0.17, 0.1, 0.02, 0.09) if is_woman else (0.92, 0.01, 0.06, 0.01, 0.0)
    kind = _pick(random, LowerKind, shares)
    main = sample_below(random)
    fabric = sample_fabric(random, main, sample_above(random), 0.6 if kind is LowerKind.SKIRT else 0.94)
    is_denim = fabric.pattern is Pattern.PLAIN and main[2] > 1.15 * main[0] and kind is not LowerKind.SKIRT
    hem = float(random.choice((1.0, random.uniform(0.78, 0.93)), p=(0.78, 0.22)))
    if kind is LowerKind.SHORTS:
        hem = float(random.uniform(0.25, 0.6))
    if kind is LowerKind.SKIRT:
        hem = float(random.choice((random.uniform(0.25, 0.55), random.uniform(0.6, 0.92)), p=(0.65, 0.35)))
    return Lower(
        kind=kind, fabric=fabric, hem=hem, ease=float(random.gamma(2.0, 0.0035)),
        flare=float(0.45 * random.beta(1.0, 2.0)), pleats=int(random.choice((0, 0, 7, 11))),
        wash=float(random.uniform(0.1, 0.7)) if is_denim and random.random() < 0.7 else 0.0,
        side_stripe=_some(random, 0.07, sample_bright(random)), belt=_some(random, 0.35, sample_bag(random)),
        has_pockets=bool(random.random() < 0.6),
        legwear=_some(random, 0.45, sample_below(random)), sock_top=float(random.choice((0.0, 0.5, 0.8, 0.9, 1.0))),
    )  # fmt: skip


def _sample_shoes(random: np.random.Generator, *, is_woman: bool, is_warm: bool) -> Shoes:
    shares = (0.52, 0.28, 0.05 if is_warm else 0.18, 0.15 if is_warm else 0.02)
    kind = _pick(random, ShoeKind, shares)
    color = (232.0, 232.0, 228.0) if random.random() < 0.25 else sample_bag(random)
    sole = (226.0, 224.0, 218.0) if kind is ShoeKind.TRAINERS and random.random() < 0.7 else (28.0, 26.0, 26.0)
    shaft = float(random.uniform(0.08, 0.45)) if is_woman else float(random.uniform(0.06, 0.16))
    return Shoes(kind, color, sole, sample_bright(random), shaft if kind is ShoeKind.BOOTS else 0.0)


def _pick(random: np.random.Generator, kinds: type[Kind], shares: tuple[float, ...]) -> Kind:
    weights = np.asarray(shares)
    return list(kinds)[int(random.choice(len(weights), p=weights / weights.sum()))]


def _some(random: np.random.Generator, share: float, color: Color) -> Color | None:
    return color if random.random() < share else None
