import numpy as np
import pytest

from training.synthetic.figures.raster import NOTHING, Samples
from training.synthetic.figures.shading import shade
from training.synthetic.figures.surface import Texture
from training.synthetic.figures.view import Light
from training.synthetic.float_arrays import Floats

SHADELESS = Light((0.0, 0.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
WHITE = Texture(np.full((1, 1, 3), 255, np.uint8))


def samples_of(depth: Floats, *, direct: float = 1.0, ambient: float = 1.0, texel: int = 0) -> Samples:
    """One sample for each pixel whose depth is not NOTHING."""
    pixel = np.flatnonzero(depth > NOTHING)
    count = len(pixel)
    return Samples(
        pixel=pixel,
        texel=np.full(count, texel, np.int32),
        direct=np.full(count, direct, np.float32),
        ambient=np.full(count, ambient, np.float32),
        depth=depth.reshape(-1),
        shape=(depth.shape[0], depth.shape[1]),
        origin=(0.0, 0.0),
    )


def wall(rows: slice, columns: slice, *, near: float = 0.5) -> Floats:
    """The depth of a plane of 60 x 60 pixels, some of which stand nearer."""
    depth = np.zeros((60, 60), np.float32)
    depth[rows, columns] = near
    return depth


def test_a_colour_in_two_lights_by_hand() -> None:
    # Code 188 is 0.5029 of the light; the second texture's only texel follows the first's six.
    textures = [Texture(np.zeros((2, 3, 3), np.uint8)), Texture(np.asarray([[(255, 188, 0)]], np.uint8))]
    light = Light((0.0, 0.0, 1.0), (1.0, 2.0, 3.0), (0.1, 0.2, 0.3))
    samples = samples_of(np.zeros((20, 20), np.float32), direct=0.5, ambient=0.8, texel=6)
    color, alpha = shade(samples, textures, light, 1.0, 100.0)
    np.testing.assert_allclose(color[10, 10], (0.5 + 0.08, 0.5029 * (1.0 + 0.16), 0.0), rtol=1e-4)
    np.testing.assert_array_equal(alpha, 1.0)


def test_coverage_is_a_mean_and_colour_is_not_dimmed_by_it() -> None:
    depth = np.full((4, 6), NOTHING, np.float32)
    depth[:2, :2] = depth[0, 2] = depth[2:, 4] = 0.0
    color, alpha = shade(samples_of(depth), [WHITE], SHADELESS, 2.0, 100.0)
    np.testing.assert_allclose(alpha, [[1, 0.25, 0], [0, 0, 0.5]])
    np.testing.assert_allclose(color[..., 0], [[1, 0.25 / 0.25, 0], [0, 0, 1]])


@pytest.mark.parametrize("supersampling", [1.0, 1.3, 1.5, 2.0])
def test_reduction_is_that_of_a_slow_loop(supersampling: float) -> None:
    random = np.random.default_rng(3)
    depth = np.where(random.random((23, 17)) < 0.7, 0.0, NOTHING).astype(np.float32)
    _, alpha = shade(samples_of(depth), [WHITE], SHADELESS, supersampling, 100.0)
    # An element belongs to the pixel in which its upper left corner lies.
    rows, columns = ((np.arange(length) / supersampling + 1e-9).astype(int) for length in depth.shape)
    assert alpha.shape == (int(23 / supersampling), int(17 / supersampling))
    for row in range(alpha.shape[0]):
        for column in range(alpha.shape[1]):
            covered = depth[np.ix_(rows == row, columns == column)] > NOTHING
            assert alpha[row, column] == pytest.approx(covered.mean())


@pytest.mark.parametrize(
    ("towards_light", "shaded", "lit"),
    [
        ((0.9, 0.0, 0.4), (30, 25), (30, 37)),
        ((-0.9, 0.0, 0.4), (30, 37), (30, 25)),
        ((0.0, 0.9, 0.4), (37, 30), (25, 30)),
        ((0.0, -0.9, 0.4), (25, 30), (37, 30)),
    ],
)
def test_what_stands_before_a_wall_shades_the_side_away_from_the_light(
    towards_light: tuple[float, float, float], shaded: tuple[int, int], lit: tuple[int, int]
) -> None:
    light = Light(towards_light, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    block = wall(slice(29, 34), slice(29, 34))
    color, _ = shade(samples_of(block), [WHITE], light, 1.0, 100.0)
    assert color[shaded][0] < 0.9
    assert color[lit][0] == pytest.approx(1.0, abs=1e-5)


def test_all_of_the_main_light_that_can_be_shaded_is_nine_tenths() -> None:
    # A high wall fills the right half: near its foot all three steps towards the light meet it.
    light = Light((1.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    samples = samples_of(wall(slice(None), slice(30, None)))
    color, _ = shade(samples, [WHITE], light, 1.0, 1000.0)
    # Steps of 20, 45 and 80 pixels of which all, two or one end in the wall; the grid is five pixels wide.
    assert color[30, 22, 0] == pytest.approx(0.1, abs=0.02)
    assert color[30, 2, 0] == pytest.approx(0.4, abs=0.02)
    assert color[30, 50, 0] == pytest.approx(1.0, abs=1e-5)


def test_a_wall_not_higher_than_the_light_rises_casts_no_shade() -> None:
    light = Light((0.6, 0.0, 0.8), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    # Over the longest step the light rises by 0.012 + 0.08 * 0.8 = 0.076 body heights, over the shortest by 0.028.
    low, _ = shade(samples_of(wall(slice(None), slice(30, None), near=0.027)), [WHITE], light, 1.0, 1000.0)
    np.testing.assert_allclose(low[..., 0], 1.0, atol=1e-5)
    high, _ = shade(samples_of(wall(slice(None), slice(30, None), near=0.028 + 0.015)), [WHITE], light, 1.0, 1000.0)
    # Half of 0.3, where the shortest step (12 pixels, two of the grid) ends in the wall; of the next, nothing.
    assert high[30, 25, 0] == pytest.approx(0.85 + 0.15 * 1 / 4, abs=0.04)


def test_the_sky_is_hidden_around_what_stands_before_and_from_all_sides() -> None:
    light = Light((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    color, _ = shade(samples_of(wall(slice(25, 35), slice(25, 35))), [WHITE], light, 1.0, 200.0)
    sky = color[..., 0]
    np.testing.assert_allclose(sky[30, [2, 57]], 1.0, atol=1e-5)
    np.testing.assert_allclose(sky[[2, 57], 30], 1.0, atol=1e-5)
    for place in ((30, 22), (30, 37), (22, 30), (37, 30)):
        assert 0.4 < sky[place] < 0.95
    # A pit whose eight directions all meet something nearer keeps 1 - 8 * 0.07 of the sky.
    depth = np.full((60, 60), 0.5, np.float32)
    depth[25:40, 25:40] = 0.0
    pit, _ = shade(samples_of(depth), [WHITE], light, 1.0, 500.0)
    assert pit[32, 32, 0] == pytest.approx(1 - 8 * 0.07, abs=0.02)
