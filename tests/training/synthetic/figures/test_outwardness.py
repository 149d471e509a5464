"""All surfaces of all people: closed around, and their front sides outside, where the camera looks for them."""

from math import pi

import numpy as np
import pytest

from training.synthetic.figures.figure import figure_surfaces
from training.synthetic.people.appearance import sample_appearance
from training.synthetic.people.pose import sample_pose


@pytest.mark.parametrize("number", range(15))
def test_surfaces_are_closed_and_face_outwards(number: int) -> None:
    random = np.random.default_rng([8, number])
    for surface in figure_surfaces(sample_appearance(random), sample_pose(random)):
        points = surface.points.astype(np.float64)
        # The sine of pi is not 0 in float32, and a box raises it to the power of its squareness.
        np.testing.assert_allclose(points[:, 0], points[:, -1], atol=1e-4)
        down, across = np.gradient(points, axis=0), np.gradient(points, axis=1)
        away = points - points[:, :-1].mean(axis=1, keepdims=True)
        # What leads away from the middle is on the side of the normal, but on a lip (that of a scarf looks up).
        side = np.einsum("rck,rck->rc", np.cross(down, across), away)[:, 1:-1]
        assert (side > 0).sum() > 0.8 * (np.abs(side) > 1e-12).sum()
        assert (np.diff(surface.along) >= 0).all()
        assert surface.along.min() >= 0.0
        assert surface.along.max() <= 1.0


@pytest.mark.parametrize("number", range(15))
def test_somebody_stands_on_the_ground_and_is_a_body_height_tall(number: int) -> None:
    random = np.random.default_rng([9, number])
    appearance = sample_appearance(random)
    points = np.concatenate([part.points.reshape(-1, 3) for part in figure_surfaces(appearance, sample_pose(random))])
    # Feet may sink in a little where they roll off; hats and hair stand up.
    assert -0.04 < points[:, 1].min() < 0.02
    assert 0.85 < points[:, 1].max() < 1.1
    assert np.abs(points[:, [0, 2]]).max() < 0.25 * pi
