from dataclasses import replace
from math import pi

import numpy as np
import pytest

from training.synthetic.figures.skeleton import build_skeleton
from training.synthetic.people.body import Body, sample_body
from training.synthetic.people.pose import Gesture, Pose, sample_pose


def body() -> Body:
    return sample_body(np.random.default_rng(1), is_woman=True, is_child=False)


def walking(phase: float) -> Pose:
    pose = sample_pose(np.random.default_rng(3))
    swing = (Gesture.SWING, Gesture.SWING)
    return replace(pose, phase=phase, stride=0.4, knee=0.9, arm_swing=0.4, gestures=swing)


@pytest.mark.parametrize("phase", np.linspace(0, 2 * pi, 9))
def test_limbs_keep_their_lengths_through_the_cycle(phase: float) -> None:
    first, now = (build_skeleton(body(), walking(at), (False, False)) for at in (0.0, float(phase)))
    for limbs, others in ((first.arms, now.arms), (first.legs, now.legs)):
        lengths, other_lengths = (np.linalg.norm(np.diff(chain, axis=1), axis=2) for chain in (limbs, others))
        # The forearm turns inwards as it bends, and the ankle comes in under the body: a few per cent.
        np.testing.assert_allclose(lengths, other_lengths, rtol=0.04)


def test_half_a_cycle_later_the_other_leg_and_the_other_arm_are_ahead() -> None:
    for phase, ahead in ((0.0, 0), (pi, 1)):
        skeleton = build_skeleton(body(), walking(phase), (False, False))
        assert np.argmax(skeleton.legs[:, 2, 2]) == ahead
        assert np.argmax(skeleton.arms[:, 2, 2]) == 1 - ahead


def test_a_knee_never_bends_forwards() -> None:
    for phase in np.linspace(0, 2 * pi, 25):
        for hip, knee, ankle in build_skeleton(body(), walking(float(phase)), (False, False)).legs:
            thigh, shin = (
                np.arctan2(knee[2] - hip[2], hip[1] - knee[1]),
                np.arctan2(ankle[2] - knee[2], knee[1] - ankle[1]),
            )
            assert shin <= thigh + 1e-6


def test_an_arm_that_carries_hangs_down() -> None:
    pose = replace(walking(0.0), gestures=(Gesture.PHONE_AT_EAR, Gesture.PHONE_AT_EAR))
    free, loaded = (build_skeleton(body(), pose, (held, False)).arms[0, 2] for held in (False, True))
    assert loaded[1] < free[1] - 0.2
