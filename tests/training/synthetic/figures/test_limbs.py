from dataclasses import replace

import numpy as np
import pytest

from standing_body import BODY as AVERAGE
from standing_body import STANDING
from training.synthetic.figures.limbs import arm_surfaces, foot_surfaces, leg_surfaces
from training.synthetic.figures.skeleton import Skeleton, build_skeleton
from training.synthetic.figures.surface import Surface, Texture
from training.synthetic.float_arrays import Floats
from training.synthetic.people.appearance import sample_appearance
from training.synthetic.people.wardrobe import Lower, LowerKind

BODY = replace(AVERAGE, limb_girth=1.2)
TEXTURE = Texture(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))


def skeleton() -> Skeleton:
    return build_skeleton(BODY, STANDING, (False, False))


def lower(kind: LowerKind, *, hem: float = 1.0, ease: float = 0.0) -> Lower:
    return replace(sample_appearance(np.random.default_rng([4, 0])).lower, kind=kind, hem=hem, ease=ease, flare=0.0)


def half_depths(surface: Surface) -> Floats:
    """Half the distance from the front to the back of each ring."""
    points = surface.points
    depths: Floats = np.linalg.norm(points[:, points.shape[1] // 2] - points[:, 0], axis=1) / 2
    return depths


def legs(some: Lower, below: float = 1.0) -> list[Surface]:
    return leg_surfaces(skeleton(), some, TEXTURE, below)


def test_a_bare_leg_is_as_thick_as_the_table_says() -> None:
    leg = legs(lower(LowerKind.SKIRT))[0]
    ring = int(np.flatnonzero(leg.along == 0.5)[0])
    # Half way between the sixth and the seventh radius, of somebody a fifth heavier, and 3 % deeper than wide.
    assert half_depths(leg)[ring] == pytest.approx((0.037 + 0.0345) / 2 * 1.2 * 1.03, rel=1e-4)


def test_trousers_end_at_their_hem_and_stand_off_above_it() -> None:
    bare, shorts = (legs(lower(kind, hem=0.4, ease=0.01))[0] for kind in (LowerKind.SKIRT, LowerKind.SHORTS))
    place, depth = shorts.along, half_depths(shorts) / 1.03
    bare_depth = np.interp(place[:-1], bare.along[:-1], half_depths(bare)[:-1]) / 1.03
    np.testing.assert_allclose(depth[:-1][place[:-1] > 0.4], bare_depth[place[:-1] > 0.4], atol=2e-4)
    # Above it shorts are 0.05 wide or 0.006 off the leg, and 1.2 * 0.01 looser; the first rings round off.
    covered = (place[:-1] <= 0.4) & (place[:-1] > 0.1)
    expected = np.maximum(bare_depth[covered] + 0.006, 0.05) + 0.012
    np.testing.assert_allclose(depth[:-1][covered], expected, atol=2e-4)


def test_a_leg_ends_at_the_ankle_and_is_closed_there() -> None:
    for side, leg in enumerate(legs(lower(LowerKind.TROUSERS))):
        end = leg.points[-1, :-1].mean(axis=0)
        np.testing.assert_allclose(end, skeleton().legs[side, 2], atol=2e-3)
        assert np.ptp(leg.points[-1], axis=0).max() < 0.005


def test_what_is_hidden_of_a_leg_is_left_out() -> None:
    whole, part = legs(lower(LowerKind.TROUSERS))[0], legs(lower(LowerKind.TROUSERS), below=0.275)[0]
    # The hip is at 0.505; 0.23 of a leg of 0.46 below it is the half.
    np.testing.assert_array_equal(part.along, whole.along[whole.along > 0.5])
    np.testing.assert_array_equal(part.points, whole.points[whole.along > 0.5])


def test_the_right_limbs_mirror_the_left() -> None:
    arms = arm_surfaces(skeleton(), TEXTURE, TEXTURE, 0.6, 0.01)
    for left, right in ((arms[0], arms[2]), (arms[1], arms[3])):
        assert left.points[..., 0].mean() > 0.03
        centres = [surface.points[:, :-1].mean(axis=1) for surface in (left, right)]
        np.testing.assert_allclose(centres[1], centres[0] * [-1, 1, 1], atol=1e-3)
    # The other leg of the walking cycle bends a little at rest: of legs only the sides are compared.
    left_leg, right_leg = legs(lower(LowerKind.TROUSERS))
    assert left_leg.points[..., 0].mean() > 0.03
    assert right_leg.points[..., 0].mean() < -0.03
    np.testing.assert_array_equal(arms[0].texture.pixels, arms[2].texture.pixels[:, ::-1])


def test_a_sleeve_makes_the_covered_part_of_an_arm_thicker() -> None:
    tight, loose = (arm_surfaces(skeleton(), TEXTURE, TEXTURE, 0.5, ease)[0] for ease in (0.0, 0.02))
    more = half_depths(loose) - half_depths(tight)
    place = tight.along
    np.testing.assert_allclose(more[place > 0.5], 0.0, atol=1e-6)
    # Three quarters of the ease from 0.35 of the arm on, less nearer to the shoulder: 0.3 + twice the place.
    expected = 1.04 * 0.75 * 0.02 * np.minimum(0.3 + 2 * place, 1.0)
    np.testing.assert_allclose(more[place <= 0.5], expected[place <= 0.5], atol=1e-5)


def test_arms_reach_from_the_shoulder_to_the_wrist_and_hands_on() -> None:
    joints = skeleton().arms[0]
    # A sleeve that ends at the elbow, where its edge makes a ring; joints are a little rounded.
    arm, hand = arm_surfaces(skeleton(), TEXTURE, TEXTURE, 0.54, 0.0)[:2]
    np.testing.assert_allclose(arm.points[-1, :-1].mean(axis=0), joints[2], atol=1e-3)
    elbow = int(np.argmin(np.abs(arm.along - 0.54)))
    np.testing.assert_allclose(arm.points[elbow, :-1].mean(axis=0), joints[1], atol=4e-3)
    tip = hand.points[-1, :-1].mean(axis=0)
    assert np.linalg.norm(tip - joints[2]) == pytest.approx(0.09, abs=0.01)
    # On along the forearm, curled a little forward.
    forearm = (joints[2] - joints[1]) / np.linalg.norm(joints[2] - joints[1])
    assert (tip - joints[2]) @ forearm > 0.08


def test_toes_point_forward_and_outward_and_down_with_the_pitch() -> None:
    def toes(pitch: float, turn: float) -> Floats:
        turned = replace(skeleton(), feet=np.asarray([(pitch, turn), (pitch, -turn)], np.float32))
        shoes = sample_appearance(np.random.default_rng([4, 0])).shoes
        foot = foot_surfaces(turned, shoes, TEXTURE)[0]
        direction: Floats = foot.points[-1].mean(axis=0) - foot.points[0].mean(axis=0)
        return direction

    straight, outward, level = toes(0.0, 0.0), toes(0.0, 0.4), toes(0.5, 0.0)
    assert straight[2] == pytest.approx(0.152, abs=0.01)
    assert straight[0] == pytest.approx(0.0, abs=1e-6)
    assert outward[0] == pytest.approx(0.152 * np.sin(0.4), abs=0.01)
    assert level[1] < straight[1] - 0.06
