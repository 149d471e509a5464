from dataclasses import replace

import numpy as np
import pytest

from standing_body import BODY, STANDING
from training.synthetic.figures.skeleton import Skeleton, build_skeleton
from training.synthetic.figures.surface import Texture
from training.synthetic.figures.trunk import (
    COLUMNS,
    along_of,
    around_legs,
    ring_heights,
    section,
    skirt_surface,
    texture_rows,
    top_surface,
)
from training.synthetic.float_arrays import as_floats
from training.synthetic.people.appearance import sample_appearance
from training.synthetic.people.wardrobe import Top

TEXTURE = Texture(np.zeros((8, 8, 3), np.uint8))
FRONT, LEFT = COLUMNS // 2, 3 * COLUMNS // 4


def skeleton(**changes: float) -> Skeleton:
    return build_skeleton(replace(BODY, **changes), STANDING, (False, False))


def top(*, hem: float, ease: float, flare: float = 0.0) -> Top:
    some = sample_appearance(np.random.default_rng([4, 0])).top
    return replace(some, hem=hem, ease=ease, flare=flare, opening=0.0)


def test_the_average_trunk_is_that_of_the_table() -> None:
    half_width, half_depth, middle = section(BODY, as_floats([0.75, 0.605]))
    # The second lies 0.3 of the way from 0.62 to 0.57.
    np.testing.assert_allclose(half_width, [0.101, 0.081 + 0.3 * 0.006], rtol=1e-5)
    np.testing.assert_allclose(half_depth, np.broadcast_to([[0.066], [0.059 + 0.3 * 0.005]], (2, COLUMNS)), rtol=1e-5)
    np.testing.assert_allclose(middle, [0.002, 0.002 - 0.3 * 0.002], atol=1e-6)


def test_builds_differ_from_it_where_they_should() -> None:
    heights = as_floats([0.79, 0.62, 0.5])
    average = section(BODY, heights)[0]
    for name, ring in (("shoulders", 0), ("waist", 1), ("hips", 2)):
        wider = section(replace(BODY, **{name: 1.2}), heights)[0] / average
        np.testing.assert_allclose(wider, [1.2 if number == ring else 1.0 for number in range(3)], rtol=1e-5)
    np.testing.assert_allclose(section(replace(BODY, width=1.3), heights)[0], 1.3 * average, rtol=1e-5)
    # The neck keeps its width.
    np.testing.assert_allclose(section(replace(BODY, width=1.3), as_floats([0.872]))[0], 0.034, rtol=1e-5)


def test_a_belly_stands_out_in_front_only_and_long_legs_lift_the_hips() -> None:
    depth = section(replace(BODY, belly=0.05), as_floats([0.6]))[1] - section(BODY, as_floats([0.6]))[1]
    assert depth[0, FRONT] == pytest.approx(0.05, rel=1e-4)
    assert depth[0, FRONT + COLUMNS // 8] == pytest.approx(0.05 * np.cos(np.pi / 4), rel=1e-4)
    np.testing.assert_allclose(depth[0, LEFT:], 0.0, atol=1e-6)
    # The widest place of the hips (0.5) is 0.02 higher; the chest stays.
    long_legs = section(replace(BODY, leg_length=0.02), as_floats([0.52, 0.81]))[0]
    np.testing.assert_allclose(long_legs, section(BODY, as_floats([0.5, 0.81]))[0], rtol=1e-5)


@pytest.mark.parametrize("hem", [0.12, 0.3, 0.465, 0.52])
def test_rings_go_down_to_the_hem_in_steps_of_some_centimetres(hem: float) -> None:
    heights = ring_heights(hem)
    assert heights[0] == np.float32(0.872)
    assert heights[-1] == np.float32(hem)
    assert (np.diff(heights) < -0.009).all()
    assert (np.diff(heights) > -0.056).all()
    along = along_of(heights)
    assert (along[0], along[-1]) == (0.0, 1.0)
    assert (np.diff(along) > 0).all()
    rows, lengths = texture_rows(hem, 100)
    assert heights[-1] < rows[-1] < rows[0] < heights[0]
    np.testing.assert_allclose(np.diff(lengths), (0.872 - hem + 0.05) / 100, rtol=1e-3)


def test_clothes_hang_around_both_legs() -> None:
    ahead = [(0.05, 0.5, 0.0), (0.05, 0.25, 0.1), (0.05, 0.0, 0.2)]
    upright = [(-0.05, 0.5, 0.0), (-0.05, 0.25, 0.0), (-0.05, 0.0, 0.0)]
    walking = replace(skeleton(), legs=as_floats([ahead, upright]))
    sections = as_floats([0.09]), np.full((1, COLUMNS), 0.06, np.float32), as_floats([0.0])
    half_width, half_depth, centre = around_legs(walking, as_floats([0.28]), sections, 0.0)
    # At 0.28 the left leg is 0.088 before the right one, and thighs are 0.05 thick: from -0.05 to 0.138.
    np.testing.assert_allclose(centre, [(0.0, 0.044)], atol=1e-5)
    np.testing.assert_allclose(half_depth, 1.2 * 0.094, atol=1e-5)
    assert half_width[0] == pytest.approx(0.05 + 1.05 * 0.05, rel=1e-5)
    flared, deep, _ = around_legs(walking, as_floats([0.28]), sections, 0.5)
    assert flared[0] == pytest.approx(0.09 + 0.5 * 0.3, rel=1e-5)
    np.testing.assert_allclose(deep - half_depth, 0.15, atol=1e-5)
    # Above the hips nothing moves.
    above, _, middle = around_legs(walking, as_floats([0.6]), sections, 0.5)
    assert (float(above[0]), float(middle[0, 1])) == (pytest.approx(0.09), 0.0)


def test_a_jacket_lies_around_the_shirt_at_its_clearance() -> None:
    shirt = top_surface(skeleton(), top(hem=0.5, ease=0.01), TEXTURE, clearance=0.0, over=0.0)
    jacket = top_surface(skeleton(), top(hem=0.5, ease=0.01), TEXTURE, clearance=0.02, over=0.0)
    ring = int(np.argmin(np.abs(ring_heights(0.5) - 0.79)))
    more = jacket.points - shirt.points
    assert more[ring, LEFT, 0] == pytest.approx(0.02, abs=1e-5)
    assert more[ring, FRONT, 2] == pytest.approx(0.02, abs=1e-5)
    assert more[ring, 0, 2] == pytest.approx(-0.02, abs=1e-5)
    outward = (more * (shirt.points - shirt.points.mean(axis=1, keepdims=True)))[..., [0, 2]].sum(axis=2)
    assert (outward > 0).all()
    # The shirt that shows under a short jacket is only its lower part.
    part = top_surface(skeleton(), top(hem=0.5, ease=0.01), TEXTURE, clearance=0.0, over=0.0, start=0.6)
    assert part.points[:, :, 1].max() < 0.6
    np.testing.assert_array_equal(part.points, shirt.points[-len(part.points) :])


def test_a_garment_lies_over_the_trousers_unless_it_is_tucked_in() -> None:
    def left(hem: float, over: float, height: float) -> float:
        surface = top_surface(skeleton(), top(hem=hem, ease=0.01), TEXTURE, clearance=0.0, over=over)
        return float(surface.points[int(np.argmin(np.abs(ring_heights(hem) - height))), LEFT, 0])

    # The hips of the table at 0.53, with trousers that stand off by 0.03, and 0.005 for the cloth.
    assert left(0.45, 0.03, 0.53) == pytest.approx(0.094 + 0.035, abs=1e-5)
    assert left(0.45, 0.0, 0.53) < 0.11
    assert left(0.6, 0.03, 0.62) == left(0.6, 0.0, 0.62)


def test_a_skirt_goes_from_the_waist_to_its_hem_and_pleats_wave_there() -> None:
    plain, pleated = (skirt_surface(skeleton(), TEXTURE, 0.3, 0.2, pleats) for pleats in (0, 12))
    assert plain.points[0, 0, 1] == np.float32(0.62)
    np.testing.assert_allclose(plain.points[-1, :, 1], 0.3, atol=1e-6)
    np.testing.assert_allclose(pleated.points[:, 0], pleated.points[:, -1], atol=1e-5)

    # Each ring grows and shrinks about its middle: by 0.25 * 0.2 + 0.04 at most, from 0.58 down to 0.28.
    angle = np.linspace(-np.pi, np.pi, 49)
    for ring, depth in ((0, 0.0), (-1, 0.09 * 0.28 / 0.3)):
        middle = (plain.points[ring, 24] + plain.points[ring, 0]) / 2
        across, smooth = (np.linalg.norm(skirt.points[ring] - middle, axis=1) for skirt in (pleated, plain))
        expected = (1 + depth * np.sin(12 * angle + 0.6)) / (1 + depth * np.sin(0.6))
        np.testing.assert_allclose(across / smooth, expected, rtol=1e-3)
