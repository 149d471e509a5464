from math import pi

import numpy as np
import pytest

from training.synthetic.cameras.camera import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    PERSON_METERS,
    Camera,
    GroundPoint,
    sample_camera,
)

LEVEL = Camera(
    height_meters=2.0, pitch=0.0, roll=0.0, focal_pixels=500.0, barrel=0.0, path_start=GroundPoint(-2.0, 10.0),
    path_end=GroundPoint(2.0, 10.0), crossing_share=0.0, person_pixels=100.0,
)  # fmt: skip


def test_projection_by_hand() -> None:
    foot = LEVEL.project(GroundPoint(1.0, 10.0))
    # A metre takes 500 / 10 pixels there; the foot is 1 m right of and 2 m below the camera.
    assert foot == pytest.approx((FRAME_WIDTH / 2 + 50, FRAME_HEIGHT / 2 + 100, 50.0))
    assert LEVEL.project(GroundPoint(1.0, 10.0), PERSON_METERS).y == pytest.approx(foot.y - PERSON_METERS * 50)


def test_elevation_distance_and_lean() -> None:
    point = GroundPoint(0.0, 2.0 - PERSON_METERS / 2)
    assert LEVEL.elevation(point) == pytest.approx(pi / 4)
    assert LEVEL.lean(GroundPoint(3.0, 10.0)) == pytest.approx(0.0)
    looking_down = Camera(3.0, 0.6, 0.0, 500.0, 0.0, LEVEL.path_start, LEVEL.path_end, 0.0, 100.0)
    # From above, heads are farther from the middle of the picture than feet.
    assert looking_down.lean(GroundPoint(1.5, 4.0)) > 0.05
    assert looking_down.lean(GroundPoint(-1.5, 4.0)) < -0.05
    assert looking_down.distance(GroundPoint(0.0, 100.0)) == 20.0


@pytest.mark.parametrize(("azimuth", "yaw"), [(pi, 0.0), (pi / 2, pi / 2), (-pi / 2, -pi / 2)])
def test_who_walks_toward_the_camera_faces_it(azimuth: float, yaw: float) -> None:
    assert LEVEL.yaw(GroundPoint(0.0, 10.0), azimuth) == pytest.approx(yaw, abs=1e-9)


def test_axes_are_orthonormal_and_turn_the_right_way() -> None:
    point = GroundPoint(2.0, 5.0)
    axes = np.array([LEVEL.axes(point, direction) for direction in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    # Straight ahead of a camera at eye level, what is away from it is behind the person.
    right, up, toward = LEVEL.axes(GroundPoint(0.0, 1e6), (0.0, 0.0, 1.0))
    assert (right, up, toward) == pytest.approx((0.0, 0.0, -1.0), abs=1e-5)


def test_cameras_see_their_path_and_differ() -> None:
    cameras = [sample_camera(np.random.default_rng(seed)) for seed in range(200)]
    for camera in cameras:
        for place in (0.0, 0.5, 1.0):
            point = camera.ground_point(place, 0.0)
            foot = camera.project(point)
            assert -0.3 * FRAME_WIDTH < foot.x < 1.3 * FRAME_WIDTH
            assert 0 < foot.y < 1.8 * FRAME_HEIGHT
            assert 0 <= camera.elevation(point) <= 0.95
            assert 1.5 <= camera.distance(point) <= 20
    assert min(camera.person_pixels for camera in cameras) < 70
    assert max(camera.person_pixels for camera in cameras) > 300
    elevations = [camera.elevation(camera.ground_point(0.5, 0.0)) for camera in cameras]
    assert np.quantile(elevations, 0.9) - np.quantile(elevations, 0.1) > 0.3
