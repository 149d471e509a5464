"""Joints of a body in a pose, and how posture moves what is worn on the trunk and the head."""

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from training.synthetic.float_arrays import Floats, as_floats
from training.synthetic.people.body import Body
from training.synthetic.people.pose import Gesture, Pose

SHOULDER, HIP, NECK = 0.805, 0.505, 0.86
_THIGH, _SHIN, _UPPER_ARM, _FOREARM = 0.235, 0.225, 0.168, 0.148


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """Joints in body coordinates, left before right.

    Attributes:
        arms: shoulder, elbow, wrist, [2, 3, 3].
        legs: hip, knee, ankle, [2, 3, 3].
        feet: pitch (toe down) and turn outwards of each foot, radians, [2, 2].
        hip_height: of the hip joints, body heights.
    """

    body: Body
    pose: Pose
    arms: Floats
    legs: Floats
    feet: Floats
    hip_height: float


def build_skeleton(body: Body, pose: Pose, held: tuple[bool, bool]) -> Skeleton:
    """The joints; an arm that holds something heavy (`held`, left and right) hangs down whatever the pose says."""
    hip_height = HIP + body.leg_length
    legs, feet = zip(*(_leg(body, pose, hip_height, side) for side in (0, 1)), strict=True)
    arms = as_floats([_arm(body, pose, side, is_loaded=held[side]) for side in (0, 1)])
    return Skeleton(body, pose, arms, as_floats(legs), as_floats(feet), hip_height)


def sink(skeleton: Skeleton) -> float:
    """How far the whole body comes down so that the lower foot stands on the ground, body heights."""
    soles = [
        ankle[1] - 0.04 - 0.06 * max(0.0, pitch)
        for ankle, (pitch, _) in zip(skeleton.legs[:, 2], skeleton.feet, strict=True)
    ]
    return float(min(soles))


def with_posture(points: Floats, body: Body, pose: Pose) -> Floats:
    """Points [..., 3] of the upper body, leaned, stooped and twisted about the hips."""
    above = np.maximum(points[..., 1] - HIP, 0.0)
    turn = pose.twist * np.minimum(above / 0.3, 1.0)
    cosine, sine = np.cos(turn), np.sin(turn)
    moved = np.empty_like(points)
    moved[..., 0] = points[..., 0] * cosine + points[..., 2] * sine + pose.lean[1] * above
    forward = pose.lean[0] * above + body.stoop * 2.2 * np.maximum(above - 0.12, 0.0) ** 1.5
    moved[..., 2] = points[..., 2] * cosine - points[..., 0] * sine + forward
    moved[..., 1] = points[..., 1] - 0.25 * body.stoop * np.maximum(above - 0.25, 0.0)
    return moved


def turn_head(points: Floats, pose: Pose) -> Floats:
    """Points [..., 3] of the head, turned and nodded about the neck."""
    yaw, pitch = pose.head_yaw, pose.head_pitch
    turn = as_floats(((cos(yaw), 0.0, -sin(yaw)), (0.0, 1.0, 0.0), (sin(yaw), 0.0, cos(yaw))))
    nod = as_floats(((1.0, 0.0, 0.0), (0.0, cos(pitch), sin(pitch)), (0.0, -sin(pitch), cos(pitch))))
    neck = as_floats([0.0, NECK + 0.015, 0.0])
    return as_floats((points - neck) @ nod @ turn + neck)


def _leg(body: Body, pose: Pose, hip_height: float, side: int) -> tuple[list[list[float]], tuple[float, float]]:
    sign = 1.0 if side == 0 else -1.0
    phase = pose.phase + (0.0 if side == 0 else pi)
    swing = pose.stride * cos(phase) + 0.03
    # The knee bends most early in the swing, and a little when the weight comes on the leg.
    lifted = max(0.0, sin(phase - 0.85 * pi)) ** 1.3
    knee_bend = 0.06 + pose.knee * lifted + 0.25 * pose.stride * max(0.0, sin(2.0 * phase)) * (cos(phase) > 0)
    lengthening = hip_height / HIP
    x = sign * 0.047 * body.hips * (0.4 + 0.6 * body.width)
    hip = [x, hip_height, 0.0]
    knee = [x * 0.95, hip_height - _THIGH * lengthening * cos(swing), _THIGH * lengthening * sin(swing)]
    shin = swing - knee_bend
    ankle = [
        x * 0.82 + sign * 0.004,
        knee[1] - _SHIN * lengthening * cos(shin),
        knee[2] + _SHIN * lengthening * sin(shin),
    ]
    toe_down = -0.8 * shin * (1.0 if shin < 0 else 0.55)
    return [hip, knee, ankle], (toe_down, sign * pose.feet[side])


def _arm(body: Body, pose: Pose, side: int, *, is_loaded: bool) -> list[list[float]]:
    sign = 1.0 if side == 0 else -1.0
    phase = pose.phase + (0.0 if side == 0 else pi)
    x = sign * 0.112 * body.shoulders * (0.45 + 0.55 * body.width)
    swing, spread, bend, inward = _gesture(pose, side, phase, is_loaded=is_loaded)
    spread += 0.22 * max(0.0, body.width - 1.0)
    shoulder = [x, SHOULDER - 0.012, -0.004]
    elbow = [
        x + sign * _UPPER_ARM * sin(spread),
        shoulder[1] - _UPPER_ARM * cos(spread) * cos(swing),
        shoulder[2] + _UPPER_ARM * cos(spread) * sin(swing),
    ]
    angle = swing + bend
    wrist = [
        elbow[0] + sign * _FOREARM * sin(spread * 0.4 - inward),
        elbow[1] - _FOREARM * cos(inward) * cos(angle),
        elbow[2] + _FOREARM * cos(inward) * sin(angle),
    ]
    return [shoulder, elbow, wrist]


def _gesture(pose: Pose, side: int, phase: float, *, is_loaded: bool) -> tuple[float, float, float, float]:
    """Swing and spread of the upper arm, bend of the elbow, turn of the forearm inwards."""
    swing = -pose.arm_swing * cos(phase)
    spread, bend = pose.spread[side], pose.elbows[side] + 0.25 * max(0.0, swing)
    if is_loaded:
        return 0.25 * swing, spread + 0.03, 0.12, 0.0
    match pose.gestures[side]:
        case Gesture.PHONE_AT_EAR:
            return 0.55 + 0.1 * swing, 0.45, 2.25, 0.25
        case Gesture.PHONE_IN_FRONT:
            return 0.25, 0.12, 1.55, 0.45
        case Gesture.POCKET:
            return -0.3, 0.28, 0.75, 0.3
        case Gesture.BENT:
            return 0.2 * swing, spread, 1.35, 0.25
        case Gesture.REACH:
            return 0.9, spread, 0.5, 0.1
        case Gesture.BEHIND:
            return -0.45, 0.12, 0.2, 0.5
        case _:
            return swing, spread, bend, 0.06
