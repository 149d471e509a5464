"""A moment of somebody's walk: where the limbs are, and nothing of who it is."""

from dataclasses import dataclass
from enum import Enum
from math import pi

import numpy as np


class Gesture(Enum):
    """What an arm does."""

    SWING = "swing"
    PHONE_AT_EAR = "phone_at_ear"
    PHONE_IN_FRONT = "phone_in_front"
    POCKET = "pocket"
    BENT = "bent"
    REACH = "reach"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Pose:
    """A moment.

    Attributes:
        phase: of the walking cycle, radians; 0 is the left heel's touch.
        stride: how far the legs swing, radians; about 0 for standing.
        knee: how far the swinging knee bends, radians.
        arm_swing: how far the arms swing, radians.
        elbows: how far they are bent, radians, left and right.
        spread: of the arms from the body, radians, left and right.
        gestures: of the left and the right arm.
        lean: of the trunk, radians: forward, and to the left.
        twist: of the shoulders against the hips, radians.
        head_yaw, head_pitch: of the head against the trunk, radians: to the left, and down.
        feet: how far each points outwards, radians.
        creases: a number that moves the creases a little.
    """

    phase: float
    stride: float
    knee: float
    arm_swing: float
    elbows: tuple[float, float]
    spread: tuple[float, float]
    gestures: tuple[Gesture, Gesture]
    lean: tuple[float, float]
    twist: float
    head_yaw: float
    head_pitch: float
    feet: tuple[float, float]
    creases: int


# How often an arm does each thing, in the order of `Gesture`: a guess at what is met in a street.
_GESTURE_SHARES = (0.74, 0.025, 0.045, 0.06, 0.075, 0.035, 0.02)


def sample_pose(random: np.random.Generator) -> Pose:
    """Draw a moment: mostly of walking, sometimes of standing."""
    is_walking = random.random() < 0.82
    stride = float(random.uniform(0.25, 0.52)) if is_walking else float(random.uniform(0.0, 0.12))
    gestures = random.choice(len(Gesture), 2, p=_GESTURE_SHARES)
    kinds = tuple(Gesture)
    phase = float(random.uniform(0, 2 * pi))
    elbow = float(random.uniform(0.1, 0.55))
    return Pose(
        phase=phase,
        stride=stride,
        knee=float(random.uniform(0.7, 1.15)) * min(1.0, stride / 0.3),
        arm_swing=stride * float(random.uniform(0.4, 1.3)),
        elbows=(elbow + float(random.uniform(-0.08, 0.25)), elbow + float(random.uniform(-0.08, 0.25))),
        spread=(float(random.uniform(0.02, 0.2)), float(random.uniform(0.02, 0.2))),
        gestures=(kinds[int(gestures[0])], kinds[int(gestures[1])]),
        lean=(float(random.normal(0.035 if is_walking else 0.01, 0.035)), float(random.normal(0.0, 0.025))),
        twist=float(0.25 * stride * np.cos(phase) + random.normal(0.0, 0.04)),
        head_yaw=float(random.normal(0.0, 0.3)),
        head_pitch=float(random.normal(0.1, 0.13)),
        feet=(float(random.normal(0.14, 0.1)), float(random.normal(0.14, 0.1))),
        creases=int(random.integers(6)),
    )
