"""Draws textured surfaces into a depth buffer: each is sampled more finely than the pixels it falls on.

The coarse rings are interpolated to fine rows, then to fine columns: a figure costs some ten thousand numpy elements per
part and no loop over pixels or triangles. What a pixel looks like is worked out once, when all parts are drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, sin

import numpy as np
import numpy.typing as npt

from training.synthetic.creases import CREASE_KINDS, TILE, TILES_PER_HEIGHT, crease_slopes
from training.synthetic.surface import Floats, Surface, Texture, as_floats, cross, normalise
from training.synthetic.view import Light, View

# Distance between samples in pixels of the buffer: 1.0 leaves no more than single holes, which are closed.
_SPACING = 1.0
# How much deeper than its neighbours a single pixel must be to count as a hole, body heights.
_PIT = 0.006
# The depth where nothing is.
NOTHING = -99.0
Indices = npt.NDArray[np.int32]
_MIDDLE = as_floats([0.0, 0.5, 0.0])


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """From body coordinates to the camera's axes (x right, y up, z towards it) and to pixels."""

    to_camera: Floats
    distance: float
    focal_pixels: float
    cosine: float
    sine: float

    def camera_points(self, points: Floats) -> Floats:
        """Points [..., 3] in camera axes."""
        return (points - _MIDDLE) @ self.to_camera

    def pixels(self, camera_points: Floats) -> tuple[Floats, Floats]:
        """Columns and rows, from the middle of the person, of points [..., 3] in camera axes."""
        scale = self.focal_pixels * self.distance / (self.distance - camera_points[..., 2])
        x, y = camera_points[..., 0] * scale, -camera_points[..., 1] * scale
        return x * self.cosine - y * self.sine, x * self.sine + y * self.cosine


def project(view: View, supersampling: int) -> Projection:
    """The projection under which a person of height 1 is `view.height_pixels * supersampling` tall."""
    turn, tilt = (cos(view.yaw), sin(view.yaw)), (cos(view.elevation), sin(view.elevation))
    left, up, forward = (turn[0], 0.0, -turn[1]), (0.0, 1.0, 0.0), (turn[1], 0.0, turn[0])
    raise_camera = as_floats([[1, 0, 0], [0, tilt[0], tilt[1]], [0, -tilt[1], tilt[0]]])
    to_camera = as_floats([left, up, forward]) @ raise_camera
    upright = Projection(to_camera, view.distance, 1.0, 1.0, 0.0)
    _, rows = upright.pixels(upright.camera_points(as_floats([[0, 1, 0], [0, 0, 0]])))
    focal = view.height_pixels * supersampling / float(rows[1] - rows[0])
    return Projection(to_camera, view.distance, focal, cos(view.roll), sin(view.roll))


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """What is seen, for each covered pixel of a buffer of `shape`; `origin` is the buffer's corner from the middle.

    Attributes:
        pixel: flat index of the pixel.
        texel: number of its texture's pixel, textures laid one after another.
        direct, ambient: how much of the main and of the other light it throws back, before other parts' shade.
        depth: of all pixels, flat, NOTHING where there is nothing.
    """

    pixel: Indices
    texel: Indices
    direct: Floats
    ambient: Floats
    depth: Floats
    shape: tuple[int, int]
    origin: tuple[float, float]


def draw_surfaces(surfaces: Sequence[Surface], projection: Projection, light: Light, crease_shift: int) -> Samples:
    """The nearest sample in each pixel of a buffer just large enough for all surfaces."""
    sheets, (left, top), (right, bottom) = _seen_by(surfaces, projection, light)
    left, top = left - 4, top - 4
    width, height = int(right - left) + 6, int(bottom - top) + 6
    depth = np.full(width * height, NOTHING, np.float32)
    nearest = np.full(width * height, -1, np.int32)
    drawn: list[_Drawn] = []
    texels = count = 0
    for sheet in sheets:
        fine = sheet.samples()
        if fine is not None:
            part = _draw(sheet, fine, (left, top), depth.reshape(height, width), nearest, count, texels, crease_shift)
            drawn.append(part)
            count += len(part.texel)
        texels += sheet.texture.pixels.shape[0] * sheet.texture.pixels.shape[1]
    _close_holes(nearest, depth, width)
    pixel = np.flatnonzero(nearest >= 0)
    chosen = nearest.take(pixel)
    direct, ambient = _lit(drawn, chosen)
    texel = np.concatenate([part.texel for part in drawn]).take(chosen)
    return Samples(pixel, texel, direct, ambient, depth, (height, width), (left, top))


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """A surface as the camera sees its coarse points: channels [8, rings, columns].

    The channels are column, row, depth, facing, towards the light, upwards, light along the columns and along the rows.
    """

    surface: Surface
    channels: Floats

    @property
    def texture(self) -> Texture:
        """The surface's."""
        return self.surface.texture

    def samples(self) -> tuple[Indices, Floats, Indices, Floats] | None:
        """Coarse row and share of the next one for each fine row, then the same for columns; None if none faces us."""
        x, y, _, facing = self.channels[:4]
        seen = (facing > 0) | self.surface.is_two_sided
        cells = seen[:-1, :-1] | seen[1:, :-1] | seen[:-1, 1:] | seen[1:, 1:]
        if not cells.any():
            return None
        down = (x[1:] - x[:-1]) ** 2 + (y[1:] - y[:-1]) ** 2
        across = (x[:, 1:] - x[:, :-1]) ** 2 + (y[:, 1:] - y[:, :-1]) ** 2
        down = (np.maximum(down[:, 1:], down[:, :-1]) * cells).max(axis=1)
        across = (np.maximum(across[1:], across[:-1]) * cells).max(axis=0)
        return *_fine(np.sqrt(down)), *_fine(np.sqrt(across))


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """All samples of one surface, flat; `light` is channels 3 to 7 of its sheet."""

    texel: Indices
    crease: Indices
    light: Floats
    gloss: float


def _seen_by(
    surfaces: Sequence[Surface], projection: Projection, light: Light
) -> tuple[list[_Sheet], tuple[float, float], tuple[float, float]]:
    """All surfaces' channels, and the lowest and the highest column and row; worked out for all points at once."""
    points = projection.camera_points(np.concatenate([surface.points.reshape(-1, 3) for surface in surfaces]))
    across, down = np.empty_like(points), np.empty_like(points)
    creases = np.empty(len(points), np.float32)
    bounds, start = [], 0
    for surface in surfaces:
        shape = surface.points.shape
        part = slice(start, start + shape[0] * shape[1])
        _tangents(points[part].reshape(shape), across[part].reshape(shape), down[part].reshape(shape))
        creases[part] = surface.texture.crease
        bounds.append(part)
        start = part.stop
    normalise(across)
    normalise(down)
    normal = cross(down, across)
    normalise(normal)
    direction = as_floats(light.direction)
    channels = np.empty((8, len(points)), np.float32)
    channels[0], channels[1] = projection.pixels(points)
    channels[2] = points[:, 2]
    channels[3] = normal[:, 2] * projection.distance - np.einsum("ik,ik->i", normal, points)
    channels[4], channels[5] = normal @ direction, normal @ projection.to_camera[1]
    channels[6], channels[7] = (across @ direction) * creases, (down @ direction) * creases
    low, high = channels[:2].min(axis=1), channels[:2].max(axis=1)
    sheets = [
        _Sheet(surface, channels[:, part].reshape(8, *surface.points.shape[:2]))
        for surface, part in zip(surfaces, bounds, strict=True)
    ]
    return sheets, (float(low[0]), float(low[1])), (float(high[0]), float(high[1]))


def _tangents(points: Floats, across: Floats, down: Floats) -> None:
    """Enter the directions along the columns and along the rings; the columns close upon themselves."""
    np.subtract(points[:, 2:], points[:, :-2], out=across[:, 1:-1])
    across[:, 0] = points[:, 1] - points[:, -2]
    across[:, -1] = across[:, 0]
    np.subtract(points[2:], points[:-2], out=down[1:-1])
    down[0], down[-1] = points[1] - points[0], points[-1] - points[-2]
    # A ring that has shrunk to a point takes the direction of its neighbour.
    middle = points.shape[1] // 2
    for end, inner in ((0, 1), (-1, -2)):
        if (
            abs(float(points[end, 0, 2] - points[end, middle, 2]))
            + abs(float(points[end, 0, 0] - points[end, middle, 0]))
            < 1e-6
        ):
            across[end] = across[inner]


def _fine(lengths: Floats) -> tuple[Indices, Floats]:
    """Which coarse interval each fine sample lies in and how far, for intervals of given lengths in pixels."""
    counts = np.ceil(lengths * (1 / _SPACING)).astype(np.int32)
    index = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    within = np.arange(len(index)) - (np.cumsum(counts) - counts).take(index)
    return index, as_floats((within + 0.5) / counts.take(index))


def _interpolated(channels: Floats, fine: tuple[Indices, Floats, Indices, Floats]) -> Floats:
    """Channels [c, rings, columns] at all fine samples: [c, fine columns * fine rows].

    Copies of whole rows and sums, no matrix product: those would start the threads of BLAS.
    """
    row, row_share, column, column_share = fine
    rows = channels.take(row, axis=1)
    rows += (channels.take(row + 1, axis=1) - rows) * row_share[:, None]
    rows = np.ascontiguousarray(rows.transpose(0, 2, 1))
    step = (rows[:, 1:] - rows[:, :-1]).take(column, axis=1)
    step *= column_share[:, None]
    step += rows.take(column, axis=1)
    return step.reshape(len(channels), -1)


def _draw(
    sheet: _Sheet, fine: tuple[Indices, Floats, Indices, Floats], origin: tuple[float, float], depth: Floats,
    nearest: Indices, first_sample: int, first_texel: int, crease_shift: int,
) -> _Drawn:  # fmt: skip
    """Enter a surface's samples into the depth buffer [h, w] and the flat numbers of the nearest sample."""
    values = _interpolated(sheet.channels, fine)
    texture_column, texture_row = _places(sheet, fine)
    height, width, _ = sheet.texture.pixels.shape
    texel = (texture_column[:, None] + texture_row * width).reshape(-1)
    pixel = (values[1] - origin[1]).astype(np.int32)
    pixel *= depth.shape[1]
    pixel += (values[0] - origin[0]).astype(np.int32)
    allowed = None
    if sheet.texture.shape_mask is not None:
        allowed = sheet.texture.shape_mask.reshape(-1).take(texel)
    flat = depth.reshape(-1)
    # Inner sides first: then no sample of the outside lands on a farther one of the same round.
    for sign in (-1.0, 1.0) if sheet.surface.is_two_sided else (1.0,):
        seen = values[2] > flat.take(pixel)
        seen &= values[3] > 0 if sign > 0 else values[3] < 0
        if allowed is not None:
            seen &= allowed
        chosen = np.flatnonzero(seen).astype(np.int32)
        where = pixel.take(chosen)
        flat[where] = values[2].take(chosen)
        nearest[where] = chosen + first_sample
    texel += first_texel
    crease = _crease_places(sheet.texture, texture_column, texture_row, crease_shift)
    return _Drawn(texel, crease, values[3:], sheet.texture.gloss)


def _places(sheet: _Sheet, fine: tuple[Indices, Floats, Indices, Floats]) -> tuple[Indices, Indices]:
    """Column and row on the texture of each fine column and row."""
    row, row_share, column, column_share = fine
    height, width, _ = sheet.texture.pixels.shape
    along = sheet.surface.along.take(row) * (1 - row_share) + sheet.surface.along.take(row + 1) * row_share
    texture_row = np.minimum((along * height).astype(np.int32), height - 1)
    return ((column + column_share) * (width / (sheet.channels.shape[2] - 1))).astype(np.int32), texture_row


def _crease_places(texture: Texture, column: Indices, row: Indices, shift: int) -> Indices:
    height, width, _ = texture.pixels.shape
    seed = texture.crease_seed % 997
    down = (row * (texture.length * TILES_PER_HEIGHT * TILE / height)).astype(np.int32) + seed * 37 + shift
    across = (column * (texture.girth * TILES_PER_HEIGHT * TILE / width)).astype(np.int32) + seed * 101
    places = (across % TILE)[:, None] + ((down % TILE) * TILE + (seed % CREASE_KINDS) * TILE * TILE).astype(np.int32)
    return places.reshape(-1)


def _close_holes(nearest: Indices, depth: Floats, width: int) -> None:
    """Give single pixels that lie deeper than both neighbours, or are empty, a neighbour's sample, in place."""
    for step in (1, width):
        floor = np.minimum(depth[: -2 * step], depth[2 * step :])
        hole = np.flatnonzero(floor - depth[step:-step] > _PIT) + step
        nearest[hole], depth[hole] = nearest[hole - step], depth[hole - step]


def _lit(drawn: Sequence[_Drawn], chosen: Indices) -> tuple[Floats, Floats]:
    """How much of the main light and of the other light the chosen samples throw back."""
    facing, towards_light, up, light_across, light_down = np.concatenate([part.light for part in drawn], axis=1).take(
        chosen, axis=1
    )
    across, down = crease_slopes()
    place = np.concatenate([part.crease for part in drawn]).take(chosen)
    slope_down = down.take(place)
    towards_light = towards_light - across.take(place) * light_across - slope_down * light_down
    is_inside = facing < 0
    towards_light[is_inside], up[is_inside] = -0.3, -0.8
    # Cloth and skin scatter light beyond the edge of the shadow: a wrapped Lambert term.
    direct = np.maximum(towards_light + 0.2, 0.0) * np.float32(1 / 1.2)
    gloss = np.repeat(as_floats([part.gloss for part in drawn]), [len(part.texel) for part in drawn]).take(chosen)
    direct += gloss * np.maximum(towards_light - 0.75, 0.0) * 4.0
    return direct, 0.72 + 0.28 * up
