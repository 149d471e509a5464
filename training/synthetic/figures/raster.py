"""Draws textured surfaces into a depth buffer: each is sampled about as finely as the pixels it falls on.

The coarse rings are interpolated to fine rows, then to fine columns: a figure costs some ten thousand numpy elements
per part and no loop over pixels or triangles. What a pixel looks like is worked out when all parts are drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.synthetic.figures.creases import CREASE_KINDS, TILE, TILES_PER_HEIGHT, crease_slopes
from training.synthetic.figures.sheet import CHANNELS, Fine, Sheet
from training.synthetic.figures.surface import Indices, Places, Texture
from training.synthetic.float_arrays import Floats, as_floats

# How much deeper than its neighbours a single pixel must be to count as a hole, body heights.
_PIT = 0.006
# The depth where nothing is.
NOTHING = -99.0
_MARGIN = 4


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """What is seen, for each covered pixel of a buffer of `shape` (rows, columns).

    Attributes:
        pixel: flat index of the pixel.
        texel: number of its texture's pixel, textures laid one after another.
        direct, ambient: how much of the main and of the other light it throws back, before other parts' shade.
        depth: of all pixels, flat, body heights towards the camera from the middle of the person; NOTHING where there
            is nothing.
        origin: column and row of the buffer's corner from the middle of the person.
    """

    pixel: Places
    texel: Indices
    direct: Floats
    ambient: Floats
    depth: Floats
    shape: tuple[int, int]
    origin: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Buffer:
    """Pixels [h * w]: depth and number of the nearest sample; samples: texel, place on the creases, channels."""

    depth: Floats
    nearest: Indices
    texel: Indices
    crease: Indices
    values: Floats
    width: int
    origin: tuple[float, float]


def draw_surfaces(sheets: Sequence[Sheet], crease_shift: int) -> Samples:
    """The nearest sample in each pixel of a buffer just large enough for all sheets.

    `crease_shift` moves the creases a little along the surfaces, in texels of their tiles.
    """
    plans = [sheet.fine() for sheet in sheets]
    counts = [0 if fine is None else fine.count for fine in plans]
    buffer, shape = _buffer_for(sheets, sum(counts))
    first_texel = start = 0
    for sheet, fine, count in zip(sheets, plans, counts, strict=True):
        if fine is not None:
            _draw(buffer, sheet, fine, slice(start, start + count), first_texel, crease_shift=crease_shift)
        start += count
        first_texel += sheet.surface.texture.pixels.shape[0] * sheet.surface.texture.pixels.shape[1]
    _close_holes(buffer)
    pixel = np.flatnonzero(buffer.nearest >= 0)
    chosen = buffer.nearest.take(pixel).astype(np.intp)
    gloss = as_floats([sheet.surface.texture.gloss for sheet in sheets]).repeat(counts).take(chosen)
    direct, ambient = _lit(buffer.values[3:].take(chosen, axis=1), buffer.crease.take(chosen), gloss)
    return Samples(pixel, buffer.texel.take(chosen), direct, ambient, buffer.depth, shape, buffer.origin)


def _buffer_for(sheets: Sequence[Sheet], count: int) -> tuple[_Buffer, tuple[int, int]]:
    lows = np.min([sheet.channels[:2].min(axis=(1, 2)) for sheet in sheets], axis=0)
    highs = np.max([sheet.channels[:2].max(axis=(1, 2)) for sheet in sheets], axis=0)
    origin = (float(lows[0]) - _MARGIN, float(lows[1]) - _MARGIN)
    width, height = int(highs[0] - origin[0]) + _MARGIN, int(highs[1] - origin[1]) + _MARGIN
    buffer = _Buffer(
        depth=np.full(width * height, NOTHING, np.float32),
        nearest=np.full(width * height, -1, np.int32),
        texel=np.empty(count, np.int32),
        crease=np.empty(count, np.int32),
        values=np.empty((CHANNELS, count), np.float32),
        width=width,
        origin=origin,
    )
    return buffer, (height, width)


def _draw(buffer: _Buffer, sheet: Sheet, fine: Fine, part: slice, first_texel: int, *, crease_shift: int) -> None:
    """Enter a surface's samples, which take the numbers of `part`, and the pixels where they are nearest.

    Of several samples of one side of one surface in one pixel the last is taken, not the nearest: they are close
    together unless the surface is folded, and sorting them would take longer than all the rest.
    """
    values, texel = buffer.values[:, part], buffer.texel[part]
    sheet.interpolate(fine, values)
    column, row = sheet.places(fine)
    texture = sheet.surface.texture
    np.add(column, (row * np.int32(texture.pixels.shape[1]))[:, None], out=texel.reshape(len(row), len(column)))
    _enter_creases(texture, column, row, crease_shift, buffer.crease[part].reshape(len(row), len(column)))
    pixel = (values[1] - np.float32(buffer.origin[1])).astype(np.intp)
    pixel *= buffer.width
    pixel += (values[0] - np.float32(buffer.origin[0])).astype(np.intp)
    shape_mask = None if texture.shape_mask is None else texture.shape_mask.reshape(-1).take(texel)
    # Inner sides first: then no sample of the outside lands on a farther one of the same round.
    for is_outside in (False, True) if sheet.surface.is_two_sided else (True,):
        seen = values[2] > buffer.depth.take(pixel)
        seen &= (values[3] > 0) == is_outside
        if shape_mask is not None:
            seen &= shape_mask
        chosen = seen.nonzero()[0]
        where = pixel.take(chosen)
        buffer.depth[where] = values[2].take(chosen)
        buffer.nearest[where] = chosen + part.start
    texel += np.int32(first_texel)


def _enter_creases(texture: Texture, column: Indices, row: Indices, shift: int, out: Indices) -> None:
    """Which element of the creases' tiles lies at each sample; the seed says which tile, and from where on it."""
    height, width, _ = texture.pixels.shape
    seed = texture.crease_seed % 997
    scale = TILES_PER_HEIGHT * TILE
    down = ((row * (texture.length * scale / height)).astype(np.int32) + (seed * 37 + shift)) % TILE
    across = ((column * (texture.girth * scale / width)).astype(np.int32) + seed * 101) % TILE
    np.add(across, (down * TILE + (seed % CREASE_KINDS) * TILE * TILE)[:, None], out=out)


def _close_holes(buffer: _Buffer) -> None:
    """Give single pixels that lie deeper than both neighbours, or are empty, a neighbour's sample."""
    depth, nearest = buffer.depth, buffer.nearest
    for step in (1, buffer.width):
        floor = np.minimum(depth[: -2 * step], depth[2 * step :])
        hole = np.flatnonzero(floor - depth[step:-step] > _PIT) + step
        nearest[hole], depth[hole] = nearest[hole - step], depth[hole - step]


def _lit(channels: Floats, crease: Indices, gloss: Floats) -> tuple[Floats, Floats]:
    """How much of the main light and of the other light samples throw back: channels [5, n] from facing onwards."""
    facing, towards_light, up, light_across, light_down = channels
    across, down = crease_slopes()
    towards_light -= across.take(crease) * light_across
    towards_light -= down.take(crease) * light_down
    is_inside = facing < 0
    towards_light[is_inside], up[is_inside] = -0.3, -0.8
    # Cloth and skin scatter light beyond the edge of the shadow: a wrapped Lambert term.
    direct = np.maximum(towards_light + np.float32(0.2), 0.0) * np.float32(1 / 1.2)
    direct += gloss * np.maximum(towards_light - np.float32(0.75), 0.0) * np.float32(4.0)
    return direct, as_floats(0.72 + 0.28 * up)
