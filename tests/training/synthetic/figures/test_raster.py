import numpy as np
import numpy.typing as npt
import pytest

from training.synthetic.figures.creases import TILE, TILES_PER_HEIGHT, crease_slopes
from training.synthetic.figures.raster import NOTHING, Samples, draw_surfaces
from training.synthetic.figures.sheet import CHANNELS, Sheet
from training.synthetic.figures.surface import Mask, Surface, Texture
from training.synthetic.float_arrays import Floats, as_floats

# A sheet over 4 x 3 pixels whose texture has as many texels: each sample has a pixel and a texel of its own.
WIDTH, HEIGHT = 4, 3


def flat(
    *,
    depth: float | tuple[float, float] = 0.0,
    facing: float = 1.0,
    lit: tuple[float, float, float, float] = (0.5, 0.0, 0.0, 0.0),
    left: int = 0,
    width: int = WIDTH,
    height: int = HEIGHT,
    texture: Texture | None = None,
    is_two_sided: bool = False,
) -> Sheet:
    """An upright rectangle; `depth` at its left and its right end, `lit` its four channels of light."""
    channels = np.zeros((CHANNELS, 2, 2), np.float32)
    channels[0], channels[1] = np.meshgrid(as_floats([left, left + width]), as_floats([0, height]))
    channels[2] = depth
    channels[3] = facing
    channels[4:] = as_floats(lit)[:, None, None]
    texture = texture or Texture(np.zeros((height, width, 3), np.uint8))
    return Sheet(Surface(np.zeros((2, 2, 3), np.float32), as_floats([0, 1]), texture, is_two_sided), channels)


def picture(samples: Samples, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """What each pixel holds, not-a-number where nothing is; without the margin of 4 pixels."""
    full = np.full(samples.shape[0] * samples.shape[1], np.nan)
    full[samples.pixel] = values
    return full.reshape(samples.shape)[4:, 4:]


def masked(mask: list[list[int]]) -> Texture:
    holes: Mask = np.asarray(mask, bool)
    return Texture(np.zeros((*holes.shape, 3), np.uint8), holes)


def test_a_rectangle_covers_its_pixels_and_each_shows_its_texel() -> None:
    samples = draw_surfaces([flat(depth=0.3)], 0)
    assert samples.shape == (4 + HEIGHT + 4, 4 + WIDTH + 4)
    assert samples.origin == (-4.0, -4.0)
    rows, columns = np.divmod(samples.pixel, samples.shape[1])
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {(y, x) for y in (4, 5, 6) for x in (4, 5, 6, 7)}
    np.testing.assert_array_equal(samples.texel, np.arange(WIDTH * HEIGHT))
    depth = samples.depth.reshape(samples.shape)
    np.testing.assert_array_equal(depth[4:7, 4:8], np.float32(0.3))
    assert (depth == np.float32(NOTHING)).sum() == depth.size - WIDTH * HEIGHT


def test_the_left_half_of_a_pixel_counts_and_the_margin_follows() -> None:
    sheet = flat()
    sheet.channels[0] -= 20.5
    samples = draw_surfaces([sheet], 0)
    assert samples.origin == (-24.5, -4.0)
    assert set((samples.pixel % samples.shape[1]).tolist()) == {4, 5, 6, 7}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_nearest_is_seen_whatever_is_drawn_first(order: tuple[int, ...]) -> None:
    sheets = [flat(depth=0.1), flat(depth=0.5, left=2), flat(depth=0.3, left=1)]
    samples = draw_surfaces([sheets[number] for number in order], 0)
    # The number of the texture, of 12 texels each.
    seen = picture(samples, np.asarray(order)[samples.texel // 12])[:HEIGHT, : WIDTH + 2]
    np.testing.assert_array_equal(seen, [[0, 2, 1, 1, 1, 1]] * HEIGHT)
    depth = samples.depth.reshape(samples.shape)[4, 4:10]
    np.testing.assert_array_equal(depth, as_floats([0.1, 0.3, 0.5, 0.5, 0.5, 0.5]))


def test_planes_cut_each_other_where_their_depths_are_equal() -> None:
    # From 0 to 1 over four pixels: 1/8, 3/8, 5/8 and 7/8 in their middles.
    samples = draw_surfaces([flat(depth=(0.0, 1.0)), flat(depth=0.5)], 0)
    np.testing.assert_array_equal(picture(samples, samples.texel // 12)[0, :4], [1, 1, 0, 0])
    np.testing.assert_allclose(samples.depth.reshape(samples.shape)[4, 4:8], [0.5, 0.5, 0.625, 0.875])


def test_what_faces_away_is_left_out_unless_it_has_two_sides() -> None:
    away = draw_surfaces([flat(facing=-1.0), flat(left=1, depth=-0.5)], 0)
    np.testing.assert_array_equal(picture(away, away.texel)[0, :6], [np.nan, 12, 13, 14, 15, np.nan])
    inside = draw_surfaces([flat(facing=-1.0, lit=(1.0, 1.0, 0.0, 0.0), is_two_sided=True)], 0)
    assert len(inside.pixel) == WIDTH * HEIGHT
    # Whatever light the outside gets, the inside is in its own shade: 0.72 - 0.28 * 0.8 of the sky.
    np.testing.assert_array_equal(inside.direct, 0.0)
    np.testing.assert_allclose(inside.ambient, 0.496, rtol=1e-6)


def test_of_a_two_sided_surface_the_nearer_side_is_seen() -> None:
    # Its left half faces away. Of both sides the nearest counts, and the other surface lies between them.
    sheet = flat(depth=(0.0, 1.0), is_two_sided=True)
    sheet.channels[3, :, 0] = -1.0
    samples = draw_surfaces([flat(depth=0.25), sheet], 0)
    np.testing.assert_array_equal(picture(samples, samples.texel // 12)[0, :4], [0, 1, 1, 1])
    np.testing.assert_allclose(picture(samples, samples.ambient)[0, :4], [0.72, 0.496, 0.72, 0.72], rtol=1e-6)


@pytest.mark.parametrize(
    ("towards_light", "gloss", "direct"),
    # Lambert, wrapped by 0.2: (cosine + 0.2) / 1.2; gloss adds four times what is above 0.75.
    [(1.0, 0.0, 1.0), (0.4, 0.0, 0.5), (-0.1, 0.0, 1 / 12), (-0.5, 0.0, 0.0), (1.0, 0.5, 1.5), (0.7, 0.5, 0.75)],
)
def test_light_by_hand(towards_light: float, gloss: float, direct: float) -> None:
    texture = Texture(np.zeros((HEIGHT, WIDTH, 3), np.uint8), gloss=gloss)
    samples = draw_surfaces([flat(lit=(towards_light, 0.5, 0.0, 0.0), texture=texture)], 0)
    np.testing.assert_allclose(samples.direct, direct, rtol=1e-6)
    np.testing.assert_allclose(samples.ambient, 0.72 + 0.14, rtol=1e-6)


def test_each_surface_keeps_its_own_gloss() -> None:
    shiny = Texture(np.zeros((HEIGHT, WIDTH, 3), np.uint8), gloss=1.0)
    lit = (1.0, 0.0, 0.0, 0.0)
    samples = draw_surfaces([flat(lit=lit), flat(lit=lit, left=WIDTH, texture=shiny)], 0)
    np.testing.assert_allclose(picture(samples, samples.direct)[0, :8], [1, 1, 1, 1, 2, 2, 2, 2])


def test_creases_tilt_the_surface_by_the_slopes_of_their_tile() -> None:
    scale = TILE * TILES_PER_HEIGHT
    # So long and so wide that a texel is one element of a tile.
    texture = Texture(np.zeros((HEIGHT, WIDTH, 3), np.uint8), length=HEIGHT / scale, girth=WIDTH / scale, crease_seed=2)
    samples = draw_surfaces([flat(lit=(0.5, 0.0, 0.10, 0.04), texture=texture)], 7)
    across, down = (slopes.reshape(-1, TILE, TILE) for slopes in crease_slopes())
    for row in range(HEIGHT):
        for column in range(WIDTH):
            place = (2, row + 2 * 37 + 7, column + 2 * 101)
            tilted = 0.5 - 0.10 * across[place] - 0.04 * down[place]
            expected = max(tilted + 0.2, 0.0) / 1.2
            assert samples.direct[row * WIDTH + column] == pytest.approx(expected, rel=1e-5)


def test_holes_of_a_texture_show_what_is_behind() -> None:
    mask = [[1] * 6, [1, 1, 0, 0, 1, 1], [1, 1, 0, 0, 1, 1], [1] * 6]
    before = flat(width=6, height=4, texture=masked(mask))
    alone = draw_surfaces([before], 0)
    np.testing.assert_array_equal(np.isfinite(picture(alone, alone.texel)[:4, :6]), np.asarray(mask, bool))
    both = draw_surfaces([before, flat(depth=-0.2, width=6, height=4)], 0)
    np.testing.assert_array_equal(picture(both, both.texel // 24)[:4, :6], 1 - np.asarray(mask))


def test_single_pixels_deeper_than_both_neighbours_are_closed() -> None:
    mask = [[1] * 5, [1, 1, 0, 1, 1], [1] * 5]
    hole = flat(width=5, texture=masked(mask))
    closed = draw_surfaces([hole], 0)
    # The hole takes its left neighbour's sample.
    assert picture(closed, closed.texel)[1, :5].tolist() == [5, 6, 6, 8, 9]
    behind = draw_surfaces([hole, flat(depth=-0.007, width=5)], 0)
    assert picture(behind, behind.texel)[1, 2] == 6
    # A step of 0.005 body heights is no hole: it is what stands behind.
    near = draw_surfaces([hole, flat(depth=-0.005, width=5)], 0)
    assert picture(near, near.texel)[1, 2] == 15 + 7


def test_a_column_of_holes_is_closed_sideways_and_a_row_from_above() -> None:
    upright = draw_surfaces([flat(width=5, texture=masked([[1, 1, 0, 1, 1]] * 3))], 0)
    assert picture(upright, upright.texel)[:3, 2].tolist() == [1, 6, 11]
    level = draw_surfaces([flat(width=5, texture=masked([[1] * 5, [0] * 5, [1] * 5]))], 0)
    assert picture(level, level.texel)[1, :5].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("seed", range(4))
def test_random_sheets_are_drawn_as_a_slow_loop_draws_them(seed: int) -> None:
    random = np.random.default_rng(seed)
    sheets = [_random_sheet(random) for _ in range(5)]
    samples = draw_surfaces(sheets, 3)
    depth, texel = _drawn_slowly(sheets, samples.shape, samples.origin)
    np.testing.assert_allclose(samples.depth.reshape(samples.shape), depth, atol=1e-5)
    full = np.full(samples.shape, -1)
    full.reshape(-1)[samples.pixel] = samples.texel
    np.testing.assert_array_equal(full, texel)


def _random_sheet(random: np.random.Generator) -> Sheet:
    """A bent sheet somewhere in a buffer of some 40 pixels, partly turned away."""
    sheet = flat(is_two_sided=bool(random.integers(2)), texture=Texture(np.zeros((9, 7, 3), np.uint8)))
    channels = np.zeros((CHANNELS, 3, 4), np.float32)
    columns = np.sort(random.uniform(0, 40, 4)) + np.arange(4)
    rows = np.sort(random.uniform(0, 40, 3)) + np.arange(3)
    channels[0], channels[1] = np.meshgrid(columns, rows)
    channels[2:] = random.normal(0, 0.5, (CHANNELS - 2, 3, 4))
    surface = Surface(sheet.surface.points, as_floats([0, 0.4, 1]), sheet.surface.texture, sheet.surface.is_two_sided)
    return Sheet(surface, channels)


def _drawn_slowly(
    sheets: list[Sheet], shape: tuple[int, int], origin: tuple[float, float]
) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Depth and texel of each pixel, sample after sample; of a side's samples in one pixel the last is taken."""
    depth, texel = np.full(shape, NOTHING, np.float32), np.full(shape, -1)
    first_texel = 0
    for sheet in sheets:
        fine = sheet.fine()
        if fine is not None:
            values = np.empty((CHANNELS, fine.count), np.float32)
            sheet.interpolate(fine, values)
            column, row = sheet.places(fine)
            for is_outside in (False, True) if sheet.surface.is_two_sided else (True,):
                behind = depth.copy()
                for number, (x, y, own_depth, facing) in enumerate(values[:4].T):
                    pixel = int(y - np.float32(origin[1])), int(x - np.float32(origin[0]))
                    if (facing > 0) == is_outside and own_depth > behind[pixel]:
                        down, across = divmod(number, len(column))
                        depth[pixel] = own_depth
                        texel[pixel] = first_texel + row[down] * 7 + column[across]
        first_texel += 63
    return _closed_slowly(depth, texel)


def _closed_slowly(depth: Floats, texel: npt.NDArray[np.intp]) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Pixels deeper than both neighbours take the left one's sample, then the upper one's."""
    for axis in (1, 0):
        old_depth, old_texel = depth.copy(), texel.copy()
        for row in range(depth.shape[0]):
            for column in range(depth.shape[1]):
                before = (row, column - 1) if axis else (row - 1, column)
                after = (row, column + 1) if axis else (row + 1, column)
                if min(before) < 0 or after[0] >= depth.shape[0] or after[1] >= depth.shape[1]:
                    continue
                if min(old_depth[before], old_depth[after]) - old_depth[row, column] > 0.006:
                    depth[row, column], texel[row, column] = old_depth[before], old_texel[before]
    return depth, texel
