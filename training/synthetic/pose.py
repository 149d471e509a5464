"""A walking body as points in space, and how a camera projects them.

Body coordinates are shares of the person's height: x to the person's left, y down from the top of the head, z forward.
"""

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from training.synthetic.appearance import Body

Point = tuple[float, float, float]
Limb = tuple[Point, Point, Point]

SHOULDER_Y, HIP_Y, KNEE_LENGTH, SHIN_LENGTH = 0.19, 0.50, 0.235, 0.225
UPPER_ARM_LENGTH, FOREARM_LENGTH = 0.165, 0.15


@dataclass(frozen=True, slots=True)
class Pose:
    """A moment of a walk.

    Attributes:
        yaw: where the person faces, radians: 0 to the camera, pi/2 to the right of the image, pi away from it.
        phase: of the step, radians.
        stride: how far the legs swing, radians.
        arm_swing: how far the arms swing, radians.
        elbow_bends: of the left and the right arm, radians.
    """

    yaw: float
    phase: float
    stride: float
    arm_swing: float
    elbow_bends: tuple[float, float]


@dataclass(frozen=True, slots=True)
class BodyView:
    """How a camera sees a body that stands upright in front of it.

    Attributes:
        yaw: the pose's.
        tilt: how much larger the head than the feet appears, 0 for a camera at eye level, 0.4 for a high one.
        roll: sideways lean of the whole figure, as a share of its height.
    """

    yaw: float
    tilt: float
    roll: float

    def scale(self, y: float) -> float:
        """Magnification at a height of the body."""
        return 1.0 + self.tilt * (0.5 - y)

    def project(self, point: Point) -> tuple[float, float]:
        """Image position in shares of the person's height: x from the middle, y from the top of the head."""
        x, y, z = point
        across = (x * cos(self.yaw) + z * sin(self.yaw)) * self.scale(y)
        return across + self.roll * (y - 0.5), y + self.tilt * 0.5 * y * (1.0 - y)

    def depth(self, point: Point) -> float:
        """How near to the camera a point is; larger is nearer."""
        return point[2] * cos(self.yaw) - point[0] * sin(self.yaw)


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The joints of a pose: arms are shoulder, elbow, wrist; legs are hip, knee, ankle; left before right."""

    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]


def sample_pose(random: np.random.Generator) -> Pose:
    """A random moment of walking, sometimes of standing."""
    stride = float(random.uniform(0.2, 0.5)) if random.random() < 0.85 else float(random.uniform(0.0, 0.1))
    left_bend, right_bend = (
        float(random.uniform(0.05, 0.5)) if random.random() < 0.85 else float(random.uniform(1.2, 2.2))
        for _ in range(2)
    )
    return Pose(
        yaw=0.0,
        phase=float(random.uniform(0.0, 2 * pi)),
        stride=stride,
        arm_swing=stride * float(random.uniform(0.4, 1.1)),
        elbow_bends=(left_bend, right_bend),
    )


def build_skeleton(body: Body, pose: Pose) -> Skeleton:
    """The joints of a body in a pose."""
    left_swing = sin(pose.phase)
    return Skeleton(
        arms=(
            _arm(body, 1.0, -left_swing * pose.arm_swing, pose.elbow_bends[0]),
            _arm(body, -1.0, left_swing * pose.arm_swing, pose.elbow_bends[1]),
        ),
        legs=(
            _leg(body, 1.0, left_swing * pose.stride, cos(pose.phase)),
            _leg(body, -1.0, -left_swing * pose.stride, -cos(pose.phase)),
        ),
    )


def _arm(body: Body, side: float, swing: float, bend: float) -> Limb:
    x = side * 0.108 * body.shoulder_width * (0.6 + 0.4 * body.width)
    shoulder = (x, SHOULDER_Y + 0.015, 0.0)
    outward = side * 0.02
    elbow = (x + outward, shoulder[1] + UPPER_ARM_LENGTH * cos(swing), UPPER_ARM_LENGTH * sin(swing))
    angle = swing + bend
    wrist = (x + outward * 0.6, elbow[1] + FOREARM_LENGTH * cos(angle), elbow[2] + FOREARM_LENGTH * sin(angle))
    return shoulder, elbow, wrist


def _leg(body: Body, side: float, swing: float, forward_motion: float) -> Limb:
    x = side * 0.046 * body.width
    hip = (x, HIP_Y - body.leg_length, 0.0)
    lengthening = 1.0 + body.leg_length / (KNEE_LENGTH + SHIN_LENGTH)
    thigh = KNEE_LENGTH * lengthening
    knee = (x, hip[1] + thigh * cos(swing), thigh * sin(swing))
    # The leg that comes forward is lifted off the ground by its knee; the standing one is almost straight.
    bend = swing - max(0.0, forward_motion) * 0.7 - 0.05
    shin = SHIN_LENGTH * lengthening
    ankle = (x * 0.9, knee[1] + shin * cos(bend), knee[2] + shin * sin(bend))
    return hip, knee, ankle
