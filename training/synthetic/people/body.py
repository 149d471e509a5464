"""Proportions of a body: what a tape measure would find under the clothes."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Body:
    """Proportions as factors of the average adult's, unless said otherwise.

    Attributes:
        height: of the person; children are below 0.85. All other lengths are shares of it.
        width, depth: of the trunk.
        shoulders, hips, waist: further factors on the trunk's width there.
        belly, bust: how far they stand out, body heights.
        limb_girth: of arms and legs.
        head: its size.
        leg_length: added to the height of the hip, body heights.
        stoop: how far the upper back bends forward, radians.
        feet: their size.
    """

    height: float
    width: float
    depth: float
    shoulders: float
    hips: float
    waist: float
    belly: float
    bust: float
    limb_girth: float
    head: float
    leg_length: float
    stoop: float
    feet: float


def sample_body(random: np.random.Generator, *, is_woman: bool, is_child: bool) -> Body:
    """Draw proportions; the spreads are those of adults (about 15 % of the girth), with some heavy builds."""
    heavy = float(np.clip(random.gamma(2.0, 0.11) - 0.14, -0.16, 0.55))
    if is_child:
        heavy *= 0.5
    return Body(
        height=_near(random, 0.97 if is_woman else 1.03, 0.04) * (float(random.uniform(0.6, 0.88)) if is_child else 1),
        width=(0.96 if is_woman else 1.02) * (1 + 0.55 * heavy) * _near(random, 1.0, 0.04),
        depth=(0.97 if is_woman else 1.0) * (1 + 0.8 * heavy) * _near(random, 1.0, 0.05),
        shoulders=_near(random, 0.93 if is_woman or is_child else 1.04, 0.045) * (1 - 0.25 * heavy),
        hips=_near(random, 1.06 if is_woman else 0.97, 0.045),
        waist=_near(random, 0.92 if is_woman else 1.0, 0.05) * (1 + 0.3 * heavy),
        belly=max(0.0, float(random.normal(0.005 + 0.05 * heavy, 0.008))),
        bust=float(random.uniform(0.004, 0.022)) if is_woman and not is_child else 0.0,
        limb_girth=(0.97 if is_woman else 1.0) * (1 + 0.5 * heavy) * _near(random, 1.0, 0.06),
        head=_near(random, 1.0, 0.035) * (float(random.uniform(1.12, 1.3)) if is_child else 1.0),
        leg_length=float(np.clip(random.normal(0.0, 0.013), -0.03, 0.03)) - (0.015 if is_child else 0.0),
        stoop=max(0.0, float(random.normal(0.02, 0.07))),
        feet=_near(random, 0.94 if is_woman else 1.03, 0.05),
    )


def _near(random: np.random.Generator, mean: float, spread: float) -> float:
    return float(np.clip(random.normal(mean, spread), mean - 2.5 * spread, mean + 2.5 * spread))
