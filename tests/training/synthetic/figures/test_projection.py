from math import asin, pi

import numpy as np
import pytest

from training.synthetic.figures.projection import Projection, project
from training.synthetic.figures.view import View
from training.synthetic.float_arrays import Floats, as_floats

FRONT = View(yaw=0.0, elevation=0.0, distance=5.0, roll=0.0, height_pixels=100)
# An angle whose sine is 0.6 and whose cosine is 0.8.
RAISED = asin(0.6)


def pixel(projection: Projection, point: tuple[float, float, float]) -> tuple[float, float]:
    column, row = projection.pixels(projection.camera_points(as_floats(point)))
    return float(column), float(row)


def view(*, yaw: float = 0.0, elevation: float = 0.0, distance: float = 5.0, roll: float = 0.0) -> View:
    return View(yaw, elevation, distance, roll, 100)


def test_points_before_a_level_camera_by_hand() -> None:
    projection = project(FRONT, 1.0)
    assert projection.focal_pixels == pytest.approx(100.0)
    # A quarter above the middle and half a height nearer: a height takes 100 * 5 / 4.5 pixels there.
    assert pixel(projection, (0.2, 0.75, 0.5)) == pytest.approx((0.2 * 500 / 4.5, -0.25 * 500 / 4.5), rel=1e-5)
    # As far behind: 100 * 5 / 5.5.
    assert pixel(projection, (0.2, 0.75, -0.5)) == pytest.approx((0.2 * 500 / 5.5, -0.25 * 500 / 5.5), rel=1e-5)


def test_a_raised_camera_by_hand() -> None:
    projection = project(view(elevation=RAISED, distance=2.0), 1.0)
    # The head is 0.3 nearer than the middle, the foot 0.3 farther, and both 0.4 from the line of sight:
    # 100 = f * 0.4 * 2 * (1 / 1.7 + 1 / 2.3).
    focal = 100 / (0.8 * (1 / 1.7 + 1 / 2.3))
    assert projection.focal_pixels == pytest.approx(focal, rel=1e-5)
    assert pixel(projection, (0.0, 1.0, 0.0)) == pytest.approx((0.0, -0.8 * focal / 1.7), rel=1e-5, abs=1e-4)
    assert pixel(projection, (0.0, 0.0, 0.0)) == pytest.approx((0.0, 0.8 * focal / 2.3), rel=1e-5, abs=1e-4)
    # What is before the person is lower in a picture from above, and nearer.
    np.testing.assert_allclose(projection.camera_points(as_floats((0.0, 0.5, 1.0))), (0.0, -0.6, 0.8), atol=1e-6)


@pytest.mark.parametrize(
    ("yaw", "left", "forward"),
    [
        (0.0, (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
        (pi / 2, (0.0, 0.0, -1.0), (1.0, 0.0, 0.0)),
        (pi, (-1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    ],
)
def test_who_faces_the_right_of_the_picture_shows_the_right_side(
    yaw: float, left: tuple[float, ...], forward: tuple[float, ...]
) -> None:
    projection = project(view(yaw=yaw), 1.0)
    np.testing.assert_allclose(projection.camera_points(as_floats((1.0, 0.5, 0.0))), left, atol=1e-6)
    np.testing.assert_allclose(projection.camera_points(as_floats((0.0, 0.5, 1.0))), forward, atol=1e-6)


def test_a_roll_leans_people_to_the_right_and_supersampling_enlarges_them() -> None:
    assert pixel(project(view(roll=pi / 2), 1.0), (0.0, 1.0, 0.0)) == pytest.approx((50.0, 0.0), abs=1e-4)
    assert pixel(project(view(roll=pi / 2), 2.0), (0.1, 0.5, 0.0)) == pytest.approx((0.0, 20.0), abs=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_axes_are_a_rotation_and_people_as_tall_as_asked(seed: int) -> None:
    random = np.random.default_rng(seed)
    seen = view(
        yaw=float(random.uniform(-pi, pi)),
        elevation=float(random.uniform(0, 0.9)),
        distance=float(random.uniform(1.5, 20)),
        roll=float(random.uniform(-0.3, 0.3)),
    )
    projection = project(seen, 1.5)
    np.testing.assert_allclose(projection.to_camera @ projection.to_camera.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(projection.to_camera) == pytest.approx(1.0, abs=1e-5)
    head, foot = (np.array(pixel(projection, (0.0, height, 0.0))) for height in (1.0, 0.0))
    assert np.linalg.norm(head - foot) == pytest.approx(150, rel=1e-4)


def test_upright_lines_stay_straight_and_draw_together_downwards_from_above() -> None:
    projection = project(view(yaw=0.4, elevation=0.6, distance=2.0, roll=0.1), 1.0)

    def line(x: float) -> Floats:
        heights = np.linspace(0, 1, 5)
        points = as_floats([(x, height, 0.0) for height in heights])
        return np.stack(projection.pixels(projection.camera_points(points)), axis=1)

    left, right = line(-0.2), line(0.2)
    for points in (left, right):
        steps = np.diff(points, axis=0)
        turned = steps[1:, 0] * steps[:-1, 1] - steps[1:, 1] * steps[:-1, 0]
        np.testing.assert_allclose(turned, 0.0, atol=2e-3)
        # Equal steps of height are the longer in pixels the nearer they are: from the foot to the head.
        lengths = np.hypot(*steps.T)
        assert (np.diff(lengths) > 0.2).all()
    apart = np.hypot(*(right - left).T)
    assert (np.diff(apart) > 0.2).all()
