"""The box that a detector draws around a person: too large, too small, beside, cut, and drifting along a track."""

from dataclasses import dataclass
from enum import Enum
from math import pi, sin
from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    """Left, top, right, bottom in pixels; the last two are outside."""

    left: int
    top: int
    right: int
    bottom: int


class Cut(Enum):
    """What a box leaves out."""

    NOTHING = "nothing"
    FEET = "feet"
    HEAD = "head"
    LOWER_HALF = "lower_half"
    UPPER_HALF = "upper_half"
    SIDE = "side"


# About one box in eight is cut, as with detectors of the years of the benchmarks.
_CUT_SHARES = (0.875, 0.05, 0.015, 0.025, 0.01, 0.025)
_NARROWEST, _WIDEST = 0.30, 0.60


@dataclass(frozen=True, slots=True)
class BoxHabit:
    """How a detector errs along one track.

    Attributes:
        margin: added on every side, share of the height.
        shift_x, shift_y: of the box, shares of the height.
        drift: how far the shift wanders along the track, share of the height.
        drift_moments: how many moments a round of that takes.
        aspect: width against height that it likes.
    """

    margin: float
    shift_x: float
    shift_y: float
    drift: float
    drift_moments: float
    aspect: float


def sample_box_habit(random: np.random.Generator) -> BoxHabit:
    """Draw the errors of a track."""
    return BoxHabit(
        margin=float(random.normal(0.03, 0.03) if random.random() < 0.85 else random.uniform(0.08, 0.22)),
        shift_x=float(random.normal(0, 0.02)),
        shift_y=float(random.normal(0, 0.018)),
        drift=float(abs(random.normal(0, 0.02))),
        drift_moments=float(random.uniform(3, 12)),
        aspect=float(random.uniform(0.33, 0.55)),
    )


def draw_box(person: Box, habit: BoxHabit, moment: int, random: np.random.Generator) -> Box:
    """The box around a person whose own bounds are `person`; it may reach over the picture's edge.

    Upright: the width is 0.3 to 0.6 of the height unless the person lies outside that.
    """
    height = person.bottom - person.top
    cut = list(Cut)[int(random.choice(len(_CUT_SHARES), p=_CUT_SHARES))]
    wander = habit.drift * sin(2 * pi * moment / habit.drift_moments)
    errors = random.normal(0, 0.012, 4) + habit.margin
    top = person.top - height * (errors[0] - habit.shift_y - wander)
    bottom = person.bottom + height * (errors[1] + habit.shift_y + wander)
    top, bottom = _cut_upright(cut, top, bottom, random)
    middle = (person.left + person.right) / 2 + height * (habit.shift_x + wander)
    width = (person.right - person.left) * 0.5 + height * (0.5 * habit.aspect + errors[2] + errors[3])
    width = float(np.clip(width, _NARROWEST * (bottom - top), _WIDEST * (bottom - top)))
    if cut is Cut.SIDE:
        middle += random.choice((-1, 1)) * width * random.uniform(0.2, 0.4)
    left = round(middle - width / 2)
    return Box(left, round(top), left + max(8, round(width)), round(top) + max(16, round(bottom - top)))


def _cut_upright(cut: Cut, top: float, bottom: float, random: np.random.Generator) -> tuple[float, float]:
    height = bottom - top
    match cut:
        case Cut.FEET:
            bottom -= height * random.uniform(0.08, 0.25)
        case Cut.HEAD:
            top += height * random.uniform(0.05, 0.14)
        case Cut.LOWER_HALF:
            bottom -= height * random.uniform(0.35, 0.52)
        case Cut.UPPER_HALF:
            top += height * random.uniform(0.25, 0.45)
        case _:
            pass
    return top, bottom
