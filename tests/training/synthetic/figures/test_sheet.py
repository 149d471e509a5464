from math import asin, pi

import numpy as np
import pytest

from training.synthetic.figures.projection import project
from training.synthetic.figures.sheet import CHANNELS, Fine, Sheet, sheets_of
from training.synthetic.figures.surface import Surface, Texture, around, upright_tube
from training.synthetic.figures.view import Light, View
from training.synthetic.float_arrays import Floats, as_floats

DISTANCE, RADIUS, COLUMNS = 4.0, 0.2, 25
LIGHT = Light((1.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def sheet(channels: Floats, *, along: tuple[float, ...] = (0.0, 1.0), rows: int = 10, columns: int = 12) -> Sheet:
    texture = Texture(np.zeros((rows, columns, 3), np.uint8))
    return Sheet(Surface(np.zeros((*channels.shape[1:], 3), np.float32), as_floats(along), texture), channels)


def grid(columns: list[float], rows: list[float], facing: float = 1.0) -> Floats:
    """Channels of a level grid of points at these pixels."""
    channels = np.zeros((CHANNELS, len(rows), len(columns)), np.float32)
    channels[0], channels[1] = np.meshgrid(as_floats(columns), as_floats(rows))
    channels[3] = facing
    return channels


def fine_of(some: Sheet) -> Fine:
    fine = some.fine()
    assert fine is not None
    return fine


def cylinder(*, elevation: float = 0.0, crease: float = 0.0, light: Light = LIGHT) -> Sheet:
    heights = as_floats([0.7, 0.6, 0.5, 0.4, 0.3])
    half = as_floats([RADIUS] * 5)
    points = upright_tube(heights, half, half, np.zeros((5, 2), np.float32), columns=COLUMNS)
    surface = Surface(points, as_floats(np.linspace(0, 1, 5)), Texture(np.zeros((4, 4, 3), np.uint8), crease=crease))
    projection = project(View(0.0, elevation, DISTANCE, 0.0, 100), 1.0)
    return sheets_of([surface], projection, light)[0]


def test_samples_are_a_pixel_apart() -> None:
    fine = fine_of(sheet(grid([0, 2, 5], [0, 4])))
    np.testing.assert_array_equal(fine.column, [0, 0, 1, 1, 1])
    np.testing.assert_allclose(fine.column_share, [1 / 4, 3 / 4, 1 / 6, 3 / 6, 5 / 6])
    np.testing.assert_array_equal(fine.row, [0, 0, 0, 0])
    np.testing.assert_allclose(fine.row_share, [1 / 8, 3 / 8, 5 / 8, 7 / 8])
    assert fine.count == 20


def test_the_longest_side_that_is_seen_decides_how_many_samples() -> None:
    channels = grid([0, 3], [0, 2, 4])
    channels[0, 2, 1] = 6.5
    assert len(fine_of(sheet(channels, along=(0, 0.5, 1))).column) == 7
    channels[3, 1:] = -1.0
    # The lower row faces away, but a cell is seen as long as one of its corners is.
    assert len(fine_of(sheet(channels, along=(0, 0.5, 1))).column) == 3
    channels[3] = -1.0
    assert sheet(channels, along=(0, 0.5, 1)).fine() is None


@pytest.mark.parametrize("ring", [0, 1])
def test_whichever_ring_is_the_longer_decides(ring: int) -> None:
    channels = grid([0, 3], [0, 2])
    channels[0, ring, 1] = 6.5
    assert len(fine_of(sheet(channels)).column) == 7
    level = grid([0, 3], [0, 2])
    level[1, 1, ring] = 4.5
    assert len(fine_of(sheet(level)).row) == 5


def test_slanted_sides_count_at_their_length() -> None:
    channels = grid([0, 3], [0, 1])
    channels[1, :, 1] += 4
    assert len(fine_of(sheet(channels)).column) == 5


def test_interpolation_is_that_of_a_slow_loop() -> None:
    random = np.random.default_rng(5)
    channels = as_floats(random.normal(0, 4, (CHANNELS, 4, 5)))
    channels[3] = np.abs(channels[3])
    some = sheet(channels, along=(0, 0.2, 0.7, 1))
    fine = fine_of(some)
    values = np.empty((CHANNELS, fine.count), np.float32)
    some.interpolate(fine, values)
    expected = []
    for row, down in zip(fine.row, fine.row_share, strict=True):
        for column, across in zip(fine.column, fine.column_share, strict=True):
            above = channels[:, row, column] * (1 - across) + channels[:, row, column + 1] * across
            below = channels[:, row + 1, column] * (1 - across) + channels[:, row + 1, column + 1] * across
            expected.append(above * (1 - down) + below * down)
    np.testing.assert_allclose(values.T, expected, atol=1e-5)


def test_places_on_the_texture_by_hand() -> None:
    # 12 texels for two coarse columns; the first of two rows takes 0.3 of the texture's 10.
    some = sheet(grid([0, 2, 4], [0, 2, 4]), along=(0.0, 0.3, 1.0))
    column, row = some.places(fine_of(some))
    np.testing.assert_array_equal(column, [1, 4, 7, 10])
    # At 0.3/4, 0.9/4, 0.3 + 0.7/4 and 0.3 + 2.1/4 of the way.
    np.testing.assert_array_equal(row, [0, 2, 4, 8])


def test_a_cylinder_faces_the_camera_and_the_light_as_geometry_says() -> None:
    seen = cylinder()
    sine, cosine = around(COLUMNS)
    for ring in seen.channels.transpose(1, 0, 2):
        np.testing.assert_allclose(ring[2], RADIUS * cosine, atol=1e-5)
        # The normal times the way to the camera: n = (sin, 0, cos), p = r n + height.
        np.testing.assert_allclose(ring[3], DISTANCE * cosine - RADIUS, atol=2e-4)
        # Lambert: the cosine between the normal and a light from the right.
        np.testing.assert_allclose(ring[4], sine, atol=1e-4)
        np.testing.assert_allclose(ring[5], 0.0, atol=1e-4)
    # 100 pixels a height at the middle's distance; the front is nearer.
    scale = 100 * DISTANCE / (DISTANCE - RADIUS)
    np.testing.assert_allclose(
        seen.channels[0, 2], RADIUS * sine * 100 * DISTANCE / (DISTANCE - RADIUS * cosine), atol=1e-3
    )
    np.testing.assert_allclose(
        seen.channels[1, :, COLUMNS // 2], np.array([-0.2, -0.1, 0, 0.1, 0.2]) * scale, atol=1e-3
    )


def test_light_from_above_before_and_behind_by_hand() -> None:
    front = COLUMNS // 2
    # 30 degrees above the line of sight: the front gets cos 30, and the side nothing.
    slanting = cylinder(light=Light((0.0, 0.5, 0.75**0.5), LIGHT.direct, LIGHT.ambient)).channels[4, 2]
    assert slanting[front] == pytest.approx(0.75**0.5, abs=1e-4)
    assert slanting[front + 6] == pytest.approx(0.0, abs=1e-4)
    assert slanting[0] == pytest.approx(-(0.75**0.5), abs=1e-4)
    # From 36.9 degrees above, an upright wall leans back in the camera's axes; "upwards" stays that of the world.
    raised = cylinder(elevation=asin(0.6), light=Light((0.0, 1.0, 0.0), LIGHT.direct, LIGHT.ambient)).channels
    assert raised[4, 2, front] == pytest.approx(-0.6, abs=1e-4)
    np.testing.assert_allclose(raised[5], 0.0, atol=1e-4)


def test_creases_tilt_along_the_columns_and_the_rings() -> None:
    _, cosine = around(COLUMNS)
    sideways = cylinder(crease=0.3).channels
    np.testing.assert_allclose(sideways[6, 2], 0.3 * cosine, atol=1e-4)
    np.testing.assert_allclose(sideways[7, 2], 0.0, atol=1e-4)
    # Rings go down, away from a light above.
    above = cylinder(crease=0.3, light=Light((0.0, 1.0, 0.0), LIGHT.direct, LIGHT.ambient)).channels
    np.testing.assert_allclose(above[6, 2], 0.0, atol=1e-4)
    np.testing.assert_allclose(above[7, 2], -0.3, atol=1e-4)


def test_a_tip_takes_the_normals_of_the_ring_beside_it() -> None:
    heights, radii = as_floats([0.7, 0.6, 0.5]), as_floats([0.0, 0.1, 0.2])
    points = upright_tube(heights, radii, radii, np.zeros((3, 2), np.float32), columns=COLUMNS)
    surface = Surface(points, heights, Texture(np.zeros((4, 4, 3), np.uint8)))
    cone = sheets_of([surface], project(View(0.0, 0.0, DISTANCE, 0.0, 100), 1.0), LIGHT)[0]
    # A cone of 45 degrees: every normal is half outwards and half up.
    np.testing.assert_allclose(cone.channels[5], 0.5**0.5, atol=1e-4)
    np.testing.assert_allclose(
        cone.channels[4], np.broadcast_to(around(COLUMNS)[0] * 0.5**0.5, (3, COLUMNS)), atol=1e-4
    )


def test_surfaces_keep_to_themselves() -> None:
    heights, half = as_floats([0.6, 0.5, 0.4]), as_floats([0.1] * 3)
    surfaces = [
        Surface(
            upright_tube(heights, half, half, as_floats([(x, 0.0)] * 3), columns=columns),
            heights,
            Texture(np.zeros((4, 4, 3), np.uint8), crease=crease),
        )
        for x, columns, crease in ((-0.3, 9, 0.1), (0.3, 13, 0.4))
    ]
    projection = project(View(pi / 5, 0.3, DISTANCE, 0.0, 100), 1.0)
    together = sheets_of(surfaces, projection, LIGHT)
    for surface, seen in zip(surfaces, together, strict=True):
        (alone,) = sheets_of([surface], projection, LIGHT)
        np.testing.assert_allclose(seen.channels, alone.channels, atol=1e-5)
        assert seen.surface is surface
