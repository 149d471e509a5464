import numpy as np
import pytest

from training.synthetic.figures.surface import arc_length, around, cross, normalise, tube_along, upright_tube
from training.synthetic.float_arrays import Floats, as_floats


def normals(points: Floats) -> Floats:
    """Of unit length, away from the spine: down the rings times along the columns, [rings, columns - 1, 3]."""
    closed = np.concatenate((points[:, -2:-1], points), axis=1).astype(np.float64)
    product = np.cross(np.gradient(closed, axis=0), np.gradient(closed, axis=1))[:, 1:-1]
    return as_floats(product / np.linalg.norm(product, axis=2, keepdims=True))


def test_arc_length_by_hand() -> None:
    np.testing.assert_allclose(arc_length(as_floats([(0, 0, 0), (3, 4, 0), (3, 4, 15)])), [0, 0.25, 1])
    np.testing.assert_array_equal(arc_length(np.ones((3, 3), np.float32)), [0, 0, 0])


def test_columns_go_from_the_back_by_the_right_to_the_front_and_by_the_left_back() -> None:
    sine, cosine = around(5)
    np.testing.assert_allclose(sine, [0, -1, 0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(cosine, [-1, 0, 1, 0, -1], atol=1e-6)


def test_a_level_ring_by_hand() -> None:
    points = upright_tube(as_floats([7]), as_floats([2]), as_floats([3]), as_floats([(10, 20)]), columns=5)
    ring = [(10, 7, 17), (8, 7, 20), (10, 7, 23), (12, 7, 20), (10, 7, 17)]
    np.testing.assert_allclose(points, [ring], atol=1e-5)
    # A half width for each column: only what is aside moves.
    widths = as_floats([[1, 2, 3, 4, 5]])
    points = upright_tube(as_floats([7]), widths, as_floats([3]), as_floats([(10, 20)]), columns=5)
    np.testing.assert_allclose(points[0, :, 0], [10, 8, 10, 14, 10], atol=1e-5)


@pytest.mark.parametrize("squareness", [0.0, 0.3, 0.62])
def test_squarer_rings_are_superellipses(squareness: float) -> None:
    points = upright_tube(
        as_floats([0]), as_floats([2]), as_floats([3]), as_floats([(0, 0)]), columns=25, squareness=squareness
    )
    power = 2 / (1 - squareness)
    np.testing.assert_allclose(
        np.abs(points[0, :, 0] / 2) ** power + np.abs(points[0, :, 2] / 3) ** power, 1, rtol=1e-4
    )
    # An eighth of a turn from the front, towards the left: the squarer, the farther out.
    assert points[0, 15, 0] == pytest.approx(2 * np.sin(np.pi / 4) ** (1 - squareness), rel=1e-4)


# Down as a leg, forward as a shoe, aside as an arm stretched out, and up: what a surface can be wound around.
@pytest.mark.parametrize("end", [(0.1, -1.0, 0.2), (0.05, 0.1, 1.0), (1.0, 0.0, 0.0), (0.2, 1.0, -0.3)])
def test_a_tube_is_round_closed_square_to_its_line_and_faces_outwards(end: tuple[float, float, float]) -> None:
    spine = as_floats(np.linspace(0, 1, 6))[:, None] * as_floats(end) + as_floats((0.3, 0.5, 0.1))
    points = tube_along(as_floats(spine), as_floats([0.05] * 6), as_floats([0.05] * 6), columns=13)
    away = points - spine[:, None, :]
    np.testing.assert_allclose(np.linalg.norm(away, axis=2), 0.05, rtol=1e-4)
    # "Sideways" is turned by a thousandth, for lines that run aside.
    np.testing.assert_allclose(away @ as_floats(end), 0.0, atol=6e-5)
    np.testing.assert_allclose(points[:, 0], points[:, -1], atol=1e-6)
    np.testing.assert_allclose(normals(points), away[:, :-1] / 0.05, atol=2e-3)


def test_a_tube_is_as_wide_and_as_deep_as_asked_and_its_front_is_before_it() -> None:
    spine = as_floats([(0, 1, 0), (0, 0.5, 0), (0, 0, 0)])
    points = tube_along(spine, as_floats([1, 2, 3]), as_floats([4, 5, 6]), columns=5)
    for ring, (width, depth) in enumerate([(1, 4), (2, 5), (3, 6)]):
        height = 1 - ring / 2
        expected = [(0, height, -depth), (-width, height, 0), (0, height, depth), (width, height, 0)]
        # Sideways is turned by a thousandth, for lines that run aside.
        np.testing.assert_allclose(points[ring, :4], expected, atol=0.01)


def test_a_bent_tube_turns_half_way_at_the_bend() -> None:
    spine = as_floats([(0, 1, 0), (0, 0, 0), (0, 0, 1)])
    points = tube_along(spine, as_floats([0.1] * 3), as_floats([0.1] * 3), columns=5)
    # From down to forward: at the bend the front looks up and forward at 45 degrees.
    np.testing.assert_allclose(points[1, 2], (0, 0.1 * np.sqrt(0.5), 0.1 * np.sqrt(0.5)), atol=1e-3)


def test_cross_and_normalise() -> None:
    first, second = as_floats([(1, 2, 3), (0, 0, 1)]), as_floats([(4, 5, 6), (1, 0, 0)])
    np.testing.assert_array_equal(cross(first, second), [(-3, 6, -3), (0, 1, 0)])
    vectors = as_floats([[(3, 4, 0), (0, 0, 0)], [(0, 0, -2), (1, 1, 1)]])
    normalise(vectors)
    third = 1 / np.sqrt(3)
    np.testing.assert_allclose(vectors, [[(0.6, 0.8, 0), (0, 0, 0)], [(0, 0, -1), (third,) * 3]], rtol=1e-6)
