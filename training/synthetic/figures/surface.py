"""Surfaces that a figure is made of: rings of points around a spine, with a texture wrapped around them.

Body coordinates are shares of the person's height: x to the person's left, y up from the ground, z forward. A texture's
rows run along the spine, its columns around it: the middle column is the front, the first and last are the back, and
three quarters along is the person's left.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from training.synthetic.float_arrays import Floats, as_floats

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int32]
# What numpy takes elements by without converting it first.
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """What a surface looks like.

    Attributes:
        pixels: sRGB, uint8 [h, w, 3].
        shape_mask: bool [h, w], False where there is a hole; None where there is none.
        length, girth: of the surface in body heights: the scale of its creases.
        crease: how deep its creases are, 0 for none.
        crease_seed: where its creases are taken from.
        gloss: how much it shines, 0 for cloth.
    """

    pixels: Pixels
    shape_mask: Mask | None = None
    length: float = 0.2
    girth: float = 0.2
    crease: float = 0.0
    crease_seed: int = 0
    gloss: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Points [rings, columns, 3]; `along` [rings] is where on the texture each ring is, 0 (top) to 1."""

    points: Floats
    along: Floats
    texture: Texture
    is_two_sided: bool = False


def arc_length(spine: Floats) -> Floats:
    """Where each point of a line [n, 3] is along it, 0 to 1."""
    steps = np.sqrt(((spine[1:] - spine[:-1]) ** 2).sum(axis=1))
    total = np.concatenate(([0.0], np.cumsum(steps)))
    return as_floats(total / max(float(total[-1]), 1e-6))


@lru_cache(maxsize=32)
def around(columns: int) -> tuple[Floats, Floats]:
    """Sine and cosine of the angle of each column: 0 is the front, the first and the last column are the back."""
    angle = np.linspace(-np.pi, np.pi, columns, dtype=np.float32)
    return np.sin(angle), np.cos(angle)


def upright_tube(
    heights: Floats,
    half_width: Floats,
    half_depth: Floats,
    centre: Floats,
    *,
    columns: int = 25,
    squareness: float = 0.0,
) -> Floats:
    """Points [rings, columns, 3] of level rings; `centre` is [rings, 2]: x and z. Widths may be [rings, columns]."""
    sine, cosine = around(columns)
    if squareness:
        power = 1.0 - squareness
        sine, cosine = (
            as_floats(np.sign(sine) * np.abs(sine) ** power),
            as_floats(np.sign(cosine) * np.abs(cosine) ** power),
        )
    points = np.empty((len(heights), columns, 3), np.float32)
    points[:, :, 0] = centre[:, :1] + _columnwise(half_width) * sine
    points[:, :, 1] = heights[:, None]
    points[:, :, 2] = centre[:, 1:] + _columnwise(half_depth) * cosine
    return points


def tube_along(spine: Floats, half_width: Floats, half_depth: Floats, columns: int = 15) -> Floats:
    """Points [rings, columns, 3] of rings across a line [rings, 3]; "wide" is sideways where the line is upright."""
    tangent = np.empty_like(spine)
    tangent[1:-1] = spine[2:] - spine[:-2]
    tangent[0], tangent[-1] = spine[1] - spine[0], spine[-1] - spine[-2]
    normalise(tangent)
    sideways = as_floats([1.0, 0.0, 0.0]) - tangent * tangent[:, :1]
    # A line that runs sideways takes the forward direction as its own "sideways".
    sideways = sideways + as_floats([0.0, 0.0, 1e-3])
    normalise(sideways)
    front = cross(tangent, sideways)
    sine, cosine = around(columns)
    across = (_columnwise(half_width) * sine)[:, :, None] * sideways[:, None, :]
    return as_floats(spine[:, None, :] + across + (_columnwise(half_depth) * cosine)[:, :, None] * front[:, None, :])


def cross(first: Floats, second: Floats) -> Floats:
    """The cross product along the last axis; numpy's own takes three times as long on arrays as small as these."""
    product = np.empty_like(first)
    for axis, (one, other) in enumerate(((1, 2), (2, 0), (0, 1))):
        product[..., axis] = first[..., one] * second[..., other] - first[..., other] * second[..., one]
    return product


def normalise(vectors: Floats) -> None:
    """Make vectors [..., 3] of length 1, in place; zero stays zero."""
    vectors /= np.sqrt(np.einsum("...k,...k->...", vectors, vectors))[..., None] + 1e-9


def _columnwise(values: Floats) -> Floats:
    return values[:, None] if values.ndim == 1 else values
