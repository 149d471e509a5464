from dataclasses import replace
from math import asin, pi

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


# The sine of its pitch is 0.6, the cosine 0.8.
PITCHED = replace(LEVEL, height_meters=3.0, pitch=asin(0.6))


def test_projection_of_a_camera_that_looks_down_by_hand() -> None:
    # The line of sight meets the ground 4 m away, after 5 m.
    assert PITCHED.project(GroundPoint(0.0, 4.0)) == pytest.approx((FRAME_WIDTH / 2, FRAME_HEIGHT / 2, 100.0))
    # 10 m away: 0.8 * 10 + 0.6 * 3 along the line of sight, and 0.6 * 10 - 0.8 * 3 above it.
    scale = 500 / 9.8
    assert PITCHED.project(GroundPoint(1.0, 10.0)) == pytest.approx(
        (FRAME_WIDTH / 2 + scale, FRAME_HEIGHT / 2 - 3.6 * scale, scale)
    )
    # What is as high as the camera: 8 m along the line of sight, and 6 m above it.
    assert PITCHED.project(GroundPoint(0.0, 10.0), 3.0).y == pytest.approx(FRAME_HEIGHT / 2 - 6 * 500 / 8)


def test_a_mounting_that_is_rolled_turns_the_picture() -> None:
    rolled = replace(LEVEL, roll=asin(0.6))
    # From 50 right and 100 down: 0.8 * 50 - 0.6 * 100 right and 0.6 * 50 + 0.8 * 100 down.
    foot = rolled.project(GroundPoint(1.0, 10.0))
    assert (foot.x, foot.y) == pytest.approx((FRAME_WIDTH / 2 - 20, FRAME_HEIGHT / 2 + 110))


def test_upright_lines_draw_together_downwards_in_a_camera_that_looks_down() -> None:
    def column(x: float, height: float) -> float:
        return PITCHED.project(GroundPoint(x, 5.0), height).x

    # The foot is 5.8 m along the line of sight, the head 5.8 - 0.6 * 1.7.
    assert column(1.0, 0.0) == pytest.approx(FRAME_WIDTH / 2 + 500 / 5.8)
    assert column(1.0, PERSON_METERS) == pytest.approx(FRAME_WIDTH / 2 + 500 / 4.78)
    assert column(-1.0, PERSON_METERS) == pytest.approx(FRAME_WIDTH / 2 - 500 / 4.78)
    assert column(0.0, PERSON_METERS) == column(0.0, 0.0) == FRAME_WIDTH / 2


@pytest.mark.parametrize("z", [0.2, 0.0, -5.0])
def test_what_is_behind_the_camera_falls_outside_the_frame_and_is_not_turned_about(z: float) -> None:
    foot = LEVEL.project(GroundPoint(1.0, z))
    assert foot == pytest.approx((FRAME_WIDTH / 2 + 500 / 0.3, FRAME_HEIGHT / 2 + 2 * 500 / 0.3, 500 / 0.3))
    assert LEVEL.project(GroundPoint(-1.0, z)).x < 0


@pytest.mark.parametrize("seed", range(5))
def test_the_ray_of_a_pixel_meets_the_ground_where_that_pixel_is(seed: int) -> None:
    camera = replace(sample_camera(np.random.default_rng(seed)), barrel=0.0, roll=0.2 * seed - 0.4)
    rays = camera.rays().reshape(FRAME_HEIGHT, FRAME_WIDTH, 3)
    for row, column in ((FRAME_HEIGHT - 1, 0), (FRAME_HEIGHT // 2 + 90, 20), (FRAME_HEIGHT - 30, FRAME_WIDTH - 1)):
        right, up, away = (float(part) for part in rays[row, column])
        assert up < 0
        reach = camera.height_meters / -up
        foot = camera.project(GroundPoint(reach * right, reach * away))
        assert (foot.x, foot.y) == pytest.approx((column, row), abs=0.01)


def test_a_barrel_lens_sees_farther_aside_at_the_frames_edge_only() -> None:
    plain, barrel = (replace(LEVEL, barrel=barrel).rays().reshape(FRAME_HEIGHT, FRAME_WIDTH, 3) for barrel in (0, -0.1))
    middle = (FRAME_HEIGHT // 2, FRAME_WIDTH // 2)
    np.testing.assert_array_equal(plain[middle], (0.0, 0.0, 1.0))
    np.testing.assert_array_equal(barrel[middle], (0.0, 0.0, 1.0))
    # 0.8 of the focal length aside: by 0.1 * 0.8 ** 2 of itself farther.
    left = (FRAME_HEIGHT // 2, 0)
    np.testing.assert_allclose(plain[left], (-0.8, 0.0, 1.0), rtol=1e-6)
    np.testing.assert_allclose(barrel[left], (-0.8 * 1.064, 0.0, 1.0), rtol=1e-5)


def test_places_on_the_path_by_hand() -> None:
    # From 2 m left to 2 m right, 10 m away: the right of who walks it is towards the camera.
    assert LEVEL.ground_point(0.25, 0.5) == pytest.approx((-1.0, 9.5))
    assert LEVEL.path_azimuth() == pytest.approx(pi / 2)
    away = replace(LEVEL, path_start=GroundPoint(0.0, 4.0), path_end=GroundPoint(0.0, 8.0))
    assert away.ground_point(0.5, 0.5) == pytest.approx((0.5, 6.0))
    assert away.path_azimuth() == pytest.approx(0.0)


def test_axes_of_a_raised_camera_by_hand() -> None:
    # 45 degrees above the middle of somebody straight ahead.
    camera = replace(LEVEL, height_meters=2.0 + PERSON_METERS / 2)
    half = 0.5**0.5
    point = GroundPoint(0.0, 2.0)
    assert camera.axes(point, (0.0, 1.0, 0.0)) == pytest.approx((0.0, half, half))
    assert camera.axes(point, (0.0, 0.0, 1.0)) == pytest.approx((0.0, half, -half))
    # Who stands to the right is looked at to the right: what is away from the camera at 0 degrees is left of that.
    aside = GroundPoint(2.0, 2.0)
    assert camera.axes(aside, (0.0, 0.0, 1.0))[0] == pytest.approx(-half)
    assert camera.axes(aside, (1.0, 0.0, 0.0))[0] == pytest.approx(half)
