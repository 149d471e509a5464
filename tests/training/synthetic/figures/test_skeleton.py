from dataclasses import replace
from math import pi

import numpy as np
import pytest

from training.synthetic.figures.skeleton import NECK, build_skeleton, sink, turn_head, with_posture
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


def test_posture_leaves_the_hips_and_leans_and_twists_what_is_above_by_hand() -> None:
    upright = replace(walking(0.0), lean=(0.0, 0.0), twist=0.0)
    straight = replace(body(), stoop=0.0)
    points = np.array([(0.1, 0.4, 0.05), (0.1, 0.805, 0.0)], np.float32)
    np.testing.assert_allclose(with_posture(points, straight, upright), points, atol=1e-6)
    # 0.3 above the hips: forward by 0.1 of that, to the left by 0.2 of it.
    leaned = with_posture(points, straight, replace(upright, lean=(0.1, 0.2)))
    np.testing.assert_allclose(leaned, [(0.1, 0.4, 0.05), (0.1 + 0.06, 0.805, 0.03)], atol=1e-5)
    # A quarter turn to the left: the left shoulder goes back.
    twisted = with_posture(points, straight, replace(upright, twist=pi / 2))
    np.testing.assert_allclose(twisted, [(0.1, 0.4, 0.05), (0.0, 0.805, -0.1)], atol=1e-5)
    # Bent by 2.2 * 0.1 * 0.18 ** 1.5 forward and 0.25 * 0.1 * 0.05 down.
    stooped = with_posture(points, replace(straight, stoop=0.1), upright)
    np.testing.assert_allclose(stooped[1], (0.1, 0.805 - 0.00125, 0.22 * 0.18**1.5), atol=1e-5)


def test_heads_turn_to_the_left_and_nod_downwards_about_the_neck() -> None:
    level = replace(walking(0.0), head_yaw=0.0, head_pitch=0.0)
    neck, nose = np.array((0.0, NECK + 0.015, 0.0), np.float32), np.array((0.0, NECK + 0.015, 0.05), np.float32)
    np.testing.assert_allclose(turn_head(nose, level), nose, atol=1e-6)
    np.testing.assert_allclose(turn_head(nose, replace(level, head_yaw=pi / 2)) - neck, (0.05, 0, 0), atol=1e-6)
    np.testing.assert_allclose(turn_head(nose, replace(level, head_pitch=pi / 2)) - neck, (0, -0.05, 0), atol=1e-6)
    both = turn_head(nose, replace(level, head_yaw=pi / 2, head_pitch=pi / 6)) - neck
    np.testing.assert_allclose(both, (0.05 * np.sqrt(0.75), -0.025, 0), atol=1e-6)


def test_the_lower_foot_stands_on_the_ground() -> None:
    skeleton = build_skeleton(body(), walking(0.7), (False, False))
    low = replace(skeleton, legs=np.array([[(0, 0.5, 0)] * 2 + [(0, 0.05, 0)], [(0, 0.5, 0)] * 2 + [(0, 0.12, 0)]]),
                  feet=np.zeros((2, 2)))  # fmt: skip
    # The sole is 0.04 below the ankle; a foot whose toes point down reaches 0.06 lower per radian.
    assert sink(low) == pytest.approx(0.01)
    assert sink(replace(low, feet=np.array([(0.0, 0.3), (1.5, 0.3)]))) == pytest.approx(0.12 - 0.04 - 0.09)
