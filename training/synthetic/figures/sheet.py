"""Surfaces as a camera sees them: where their coarse points fall, how the light strikes them, where to sample them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.synthetic.figures.projection import Projection
from training.synthetic.figures.surface import Indices, Places, Surface, cross, normalise
from training.synthetic.figures.view import Light
from training.synthetic.float_arrays import Floats, as_floats

# Distance between samples in pixels of the buffer: 1.0 leaves no more than single holes, which are closed.
_SPACING = 1.0
CHANNELS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Fine:
    """The coarse interval that each fine row and column lies in, and how far along it, 0 to 1."""

    row: Places
    row_share: Floats
    column: Places
    column_share: Floats

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self.row) * len(self.column)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A surface as the camera sees its coarse points: channels [CHANNELS, rings, columns].

    The channels are column, row, depth, facing, towards the light, upwards, light along the columns and along the rows.
    """

    surface: Surface
    channels: Floats

    def fine(self) -> Fine | None:
        """Where to sample, so that neighbours are about a pixel apart; None if all of it faces away."""
        x, y, _, facing = self.channels[:4]
        seen = (facing > 0) | self.surface.is_two_sided
        cells = seen[:-1, :-1] | seen[1:, :-1] | seen[:-1, 1:] | seen[1:, 1:]
        if not cells.any():
            return None
        down = (x[1:] - x[:-1]) ** 2 + (y[1:] - y[:-1]) ** 2
        across = (x[:, 1:] - x[:, :-1]) ** 2 + (y[:, 1:] - y[:, :-1]) ** 2
        down = (np.maximum(down[:, 1:], down[:, :-1]) * cells).max(axis=1)
        across = (np.maximum(across[1:], across[:-1]) * cells).max(axis=0)
        return Fine(*_divided(down), *_divided(across))

    def interpolate(self, fine: Fine, out: Floats) -> None:
        """Enter the channels at all samples, row after row, into `out` [CHANNELS, samples].

        Copies of whole rows and sums, no matrix product: those would start the threads of BLAS.
        """
        turned = np.ascontiguousarray(self.channels.transpose(0, 2, 1))
        columns = (turned[:, 1:] - turned[:, :-1]).take(fine.column, axis=1)
        columns *= fine.column_share[:, None]
        columns += turned.take(fine.column, axis=1)
        columns = np.ascontiguousarray(columns.transpose(0, 2, 1))
        values = (columns[:, 1:] - columns[:, :-1]).take(fine.row, axis=1)
        values *= fine.row_share[:, None]
        np.add(values, columns.take(fine.row, axis=1), out=out.reshape(values.shape))

    def places(self, fine: Fine) -> tuple[Indices, Indices]:
        """Column and row on the texture of each fine column and row."""
        height, width, _ = self.surface.texture.pixels.shape
        along, share = self.surface.along, fine.row_share
        place = along.take(fine.row) * (1 - share) + along.take(fine.row + 1) * share
        column = (fine.column + fine.column_share) * (width / (self.channels.shape[2] - 1))
        return column.astype(np.int32), np.minimum((place * height).astype(np.int32), height - 1)


def sheets_of(surfaces: Sequence[Surface], projection: Projection, light: Light) -> list[Sheet]:
    """All surfaces as the camera sees them; worked out for all points at once."""
    points = projection.camera_points(np.concatenate([surface.points.reshape(-1, 3) for surface in surfaces]))
    across, down = np.empty_like(points), np.empty_like(points)
    creases = np.empty(len(points), np.float32)
    parts, start = [], 0
    for surface in surfaces:
        shape = surface.points.shape
        part = slice(start, start + shape[0] * shape[1])
        _tangents(points[part].reshape(shape), across[part].reshape(shape), down[part].reshape(shape))
        creases[part] = surface.texture.crease
        parts.append(part)
        start = part.stop
    normalise(across)
    normalise(down)
    normal = cross(down, across)
    normalise(normal)
    direction = as_floats(light.direction)
    channels = np.empty((CHANNELS, len(points)), np.float32)
    channels[0], channels[1] = projection.pixels(points)
    channels[2] = points[:, 2]
    channels[3] = normal[:, 2] * projection.distance - np.einsum("ik,ik->i", normal, points)
    channels[4], channels[5] = normal @ direction, normal @ projection.to_camera[1]
    channels[6], channels[7] = (across @ direction) * creases, (down @ direction) * creases
    return [
        Sheet(surface, channels[:, part].reshape(CHANNELS, *surface.points.shape[:2]))
        for surface, part in zip(surfaces, parts, strict=True)
    ]


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
        if float(np.abs(points[end, 0] - points[end, middle]).max()) < 1e-6:
            across[end] = across[inner]


def _divided(squared_lengths: Floats) -> tuple[Places, Floats]:
    """Which coarse interval each fine sample lies in and how far, for intervals of given lengths in pixels, squared."""
    counts = np.ceil(np.sqrt(squared_lengths) * (1 / _SPACING)).astype(np.intp)
    index = np.arange(len(counts)).repeat(counts)
    within = np.arange(len(index)) - (counts.cumsum() - counts).take(index)
    return index, as_floats((within + 0.5) / counts.take(index))
