"""Draws textured surfaces into a depth buffer: each is sampled more finely than the pixels it falls on.

A sample takes two matrix products (from the coarse rings to fine rows, then to fine columns), so that a figure costs some
thousands of numpy elements per part and no loop over pixels or triangles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, sin

import numpy as np
import numpy.typing as npt

from training.synthetic.creases import TILE, TILES_PER_HEIGHT, crease_slopes
from training.synthetic.surface import Floats, Surface, Texture, as_floats
from training.synthetic.view import Light, View

# Distance between samples in pixels of the buffer: 0.8 leaves no more than single holes, which `close_holes` fills.
_SPACING = 0.8
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
class Buffers:
    """What is nearest in each pixel, flat [h * w]: depth, texel (-1 for none), how the main and other light fall."""

    depth: Floats
    texel: npt.NDArray[np.int32]
    direct: Floats
    ambient: Floats
    shape: tuple[int, int]
    origin: tuple[float, float]


def draw_surfaces(surfaces: Sequence[Surface], projection: Projection, light: Light) -> Buffers:
    """Buffers just large enough for all surfaces; texels number the pixels of all textures one after another."""
    sheets = [_Sheet(surface, projection, light) for surface in surfaces]
    left, top = min(sheet.low[0] for sheet in sheets) - 4, min(sheet.low[1] for sheet in sheets) - 4
    width = int(max(sheet.high[0] for sheet in sheets) - left) + 6
    height = int(max(sheet.high[1] for sheet in sheets) - top) + 6
    count = width * height
    buffers = Buffers(
        np.full(count, -np.inf, np.float32), np.full(count, -1, np.int32), np.zeros(count, np.float32),
        np.zeros(count, np.float32), (height, width), (left, top),
    )  # fmt: skip
    offset = 0
    for sheet in sheets:
        _draw(buffers, sheet, offset)
        offset += sheet.texture.pixels.shape[0] * sheet.texture.pixels.shape[1]
    return buffers


class _Sheet:
    """A surface as the camera sees its coarse points: channels [8, rings, columns], see `_CHANNELS`."""

    # column, row, depth, facing, towards the light, upwards, light along the columns, light along the rows
    def __init__(self, surface: Surface, projection: Projection, light: Light) -> None:
        self.texture, self.along, self.is_two_sided = surface.texture, surface.along, surface.is_two_sided
        points = projection.camera_points(surface.points)
        x, y = projection.pixels(points)
        self.low, self.high = (float(x.min()), float(y.min())), (float(x.max()), float(y.max()))
        across, down = _tangents(points)
        normal = np.cross(down, across)
        normal /= np.sqrt((normal * normal).sum(axis=2, keepdims=True)) + 1e-9
        to_eye = as_floats([0.0, 0.0, projection.distance]) - points
        facing = (normal * to_eye).sum(axis=2) / projection.distance
        direction = as_floats(light.direction)
        up = projection.to_camera[1]
        self.channels = np.stack(
            (x, y, points[:, :, 2], facing, normal @ direction, normal @ up, across @ direction, down @ direction)
        )

    def samples(self) -> tuple[npt.NDArray[np.intp], Floats, npt.NDArray[np.intp], Floats] | None:
        """Coarse row and share of the next one for each fine row, then the same for columns; None if none faces us."""
        facing = self.channels[3] > -0.02
        if self.is_two_sided:
            facing |= True
        cells = facing[:-1, :-1] | facing[1:, :-1] | facing[:-1, 1:] | facing[1:, 1:]
        if not cells.any():
            return None
        x, y = self.channels[0], self.channels[1]
        down = np.hypot(x[1:] - x[:-1], y[1:] - y[:-1])
        across = np.hypot(x[:, 1:] - x[:, :-1], y[:, 1:] - y[:, :-1])
        down = (np.maximum(down[:, 1:], down[:, :-1]) * cells).max(axis=1)
        across = (np.maximum(across[1:], across[:-1]) * cells).max(axis=0)
        return *_fine(down), *_fine(across)


def _tangents(points: Floats) -> tuple[Floats, Floats]:
    """Unit vectors along the columns and along the rings; the columns close upon themselves."""
    across = np.empty_like(points)
    across[:, 1:-1] = points[:, 2:] - points[:, :-2]
    across[:, 0] = across[:, -1] = points[:, 1] - points[:, -2]
    down = np.empty_like(points)
    down[1:-1] = points[2:] - points[:-2]
    down[0], down[-1] = points[1] - points[0], points[-1] - points[-2]
    # A ring that has shrunk to a point takes the direction of its neighbour.
    for end, inner in ((0, 1), (-1, -2)):
        if np.abs(points[end, 0] - points[end, points.shape[1] // 2]).sum() < 1e-6:
            across[end] = across[inner]
    across /= np.sqrt((across * across).sum(axis=2, keepdims=True)) + 1e-9
    down /= np.sqrt((down * down).sum(axis=2, keepdims=True)) + 1e-9
    return across, down


def _fine(lengths: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """Which coarse interval each fine sample lies in and how far, for intervals of given lengths in pixels."""
    counts = np.where(lengths > 0, np.ceil(lengths / _SPACING), 0).astype(np.intp)
    index = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    return index, as_floats((within + 0.5) / counts[index])


def _weights(index: npt.NDArray[np.intp], share: Floats, size: int) -> Floats:
    weights = np.zeros((len(index), size), np.float32)
    rows = np.arange(len(index))
    weights[rows, index] = 1.0 - share
    weights[rows, index + 1] = share
    return weights


def _draw(buffers: Buffers, sheet: _Sheet, offset: int) -> None:
    fine = sheet.samples()
    if fine is None:
        return
    row, row_share, column, column_share = fine
    _, rings, columns = sheet.channels.shape
    down = _weights(row, row_share, rings)
    across = np.ascontiguousarray(_weights(column, column_share, columns).T)
    values = np.matmul(np.matmul(down, sheet.channels), across).reshape(8, -1)
    height, width, _ = sheet.texture.pixels.shape
    along = sheet.along[row] * (1 - row_share) + sheet.along[row + 1] * row_share
    texture_row = np.minimum((along * height).astype(np.int32), height - 1)
    texture_column = ((column + column_share) * (width / (columns - 1))).astype(np.int32)
    texel = (texture_row[:, None] * width + texture_column).reshape(-1)
    pixel = (values[1] - buffers.origin[1]).astype(np.int32)
    pixel *= buffers.shape[1]
    pixel += (values[0] - buffers.origin[0]).astype(np.int32)
    seen = values[2] > buffers.depth.take(pixel)
    if not sheet.is_two_sided:
        seen &= values[3] > 0
    if sheet.texture.shape_mask is not None:
        seen &= sheet.texture.shape_mask.reshape(-1).take(texel)
    chosen = np.flatnonzero(seen)
    # Of samples that fall on one pixel the last is written; the second round writes those that should have won.
    for _ in range(2):
        where, depth = pixel.take(chosen), values[2].take(chosen)
        buffers.depth[where] = depth
        _write(buffers, sheet, values, texel, chosen, where, offset)
        chosen = chosen[depth > buffers.depth.take(where) + 1e-3]
        if not len(chosen):
            return


def _write(
    buffers: Buffers, sheet: _Sheet, values: Floats, texel: npt.NDArray[np.int32],
    chosen: npt.NDArray[np.intp], where: npt.NDArray[np.int32], offset: int,
) -> None:  # fmt: skip
    texture = sheet.texture
    towards_light, up = values[4].take(chosen), values[5].take(chosen)
    chosen_texel = texel.take(chosen)
    if sheet.is_two_sided:
        is_inside = values[3].take(chosen) < 0
        towards_light, up = np.where(is_inside, -0.3, towards_light), np.where(is_inside, -0.8, up)
    if texture.crease:
        slope_across, slope_down = _slopes(texture, chosen_texel)
        towards_light = towards_light - slope_across * values[6].take(chosen) - slope_down * values[7].take(chosen)
        up = up + slope_down * 0.7
    # Cloth and skin scatter light beyond the edge of the shadow: a wrapped Lambert term.
    direct = np.maximum(towards_light + 0.2, 0.0) * (1 / 1.2)
    if texture.gloss:
        direct += texture.gloss * np.maximum(towards_light - 0.75, 0.0) * 4.0
    buffers.texel[where] = chosen_texel + offset
    buffers.direct[where] = direct
    buffers.ambient[where] = 0.72 + 0.28 * up


def _slopes(texture: Texture, texel: npt.NDArray[np.int32]) -> tuple[Floats, Floats]:
    height, width, _ = texture.pixels.shape
    rows = (np.arange(height) * (texture.length * TILES_PER_HEIGHT * TILE / height)).astype(np.int32)
    columns = (np.arange(width) * (texture.girth * TILES_PER_HEIGHT * TILE / width)).astype(np.int32)
    seed = texture.crease_seed % 997
    where = ((rows + (seed * 37)) % TILE)[:, None] * TILE + (columns + (seed * 101)) % TILE
    index = where.reshape(-1).take(texel)
    across, down = crease_slopes(seed)
    return across.take(index) * texture.crease, down.take(index) * texture.crease
