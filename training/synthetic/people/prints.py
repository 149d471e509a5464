"""Prints on chests and backs: writing that says nothing, figures, blocks and pictures of nothing."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from training.synthetic.float_arrays import Floats, as_floats
from training.synthetic.people.palette import Color, sample_bright
from training.synthetic.people.patterns import blobs_at


class PrintKind(Enum):
    """What is printed."""

    TEXT = "text"
    NUMBER = "number"
    BLOCK = "block"
    DISC = "disc"
    PICTURE = "picture"
    STRIPE = "stripe"


@dataclass(frozen=True, slots=True)
class Print:
    """A print.

    Attributes:
        centre: of it, around the body from the middle of that side (to the person's left) and its height.
        size: width and height.
        colors: of its ink; the second is a picture's or a disc's other colour.
        seed: of its letters and shapes.
    """

    kind: PrintKind
    centre: tuple[float, float]
    size: tuple[float, float]
    colors: tuple[Color, Color]
    seed: int


_SHARES = (0.42, 0.10, 0.12, 0.10, 0.16, 0.10)


def sample_print(random: np.random.Generator) -> Print:
    """Draw a print; a third of them are small ones beside the breastbone."""
    kind = list(PrintKind)[int(random.choice(len(_SHARES), p=_SHARES))]
    width, height = float(random.uniform(0.06, 0.15)), float(random.uniform(0.02, 0.13))
    centre = (float(random.normal(0, 0.004)), float(random.uniform(0.66, 0.75)))
    if random.random() < 0.33:
        width, height = float(random.uniform(0.02, 0.045)), float(random.uniform(0.012, 0.035))
        centre = (float(random.choice((-0.05, 0.05))), float(random.uniform(0.71, 0.75)))
    if kind is PrintKind.STRIPE:
        width, height, centre = 0.5, float(random.uniform(0.012, 0.06)), (0.0, centre[1])
    colors = (sample_bright(random), sample_bright(random))
    return Print(kind, centre, (width, height), colors, int(random.integers(2**31)))


def draw_print(pixels: Floats, heights: Floats, across: Floats, mark: Print) -> None:
    """Draw on pixels [h, w, 3], in place; `heights` [h] and `across` [w] say where on the body these are.

    `across` is 0 in the middle of the side that is printed on. What falls outside is left out.
    """
    x = (across - mark.centre[0]) / mark.size[0] + 0.5
    y = (mark.centre[1] - heights) / mark.size[1] + 0.5
    rows, columns = np.flatnonzero((y >= 0) & (y < 1)), np.flatnonzero((x >= 0) & (x < 1))
    if not len(rows) or not len(columns):
        return
    x, y = x[columns], y[rows]
    window = np.ix_(rows, columns)
    share, second = _ink(mark, x, y)
    ink = np.where(second[:, :, None], as_floats(mark.colors[1]), as_floats(mark.colors[0]))
    pixels[window] += np.broadcast_to(share, second.shape)[:, :, None] * (ink - pixels[window])


def _ink(mark: Print, x: Floats, y: Floats) -> tuple[Floats, np.ndarray]:
    """How much ink there is at each place [h, w], and where it is the second colour."""
    random = np.random.default_rng(mark.seed)
    nothing = np.zeros((len(y), len(x)), bool)
    match mark.kind:
        case PrintKind.TEXT:
            lines = max(1, round(mark.size[1] / mark.size[0] * random.uniform(2, 5)))
            return _letters(random, x, y, lines, int(random.integers(4, 10))), nothing
        case PrintKind.NUMBER:
            return _letters(random, x, y, 1, int(random.integers(1, 3))), nothing
        case PrintKind.DISC:
            radius = np.hypot(x[None, :] - 0.5, y[:, None] - 0.5)
            return as_floats(radius < 0.5), radius < random.uniform(0.1, 0.42)
        case PrintKind.PICTURE:
            first = blobs_at(mark.seed, y, x, float(random.uniform(0.15, 0.5)))
            other = blobs_at(mark.seed + 1, y, x, float(random.uniform(0.1, 0.4)))
            frame = 0.0 if random.random() < 0.5 else 1.0
            return as_floats(np.maximum(first > 0.1, frame)), other > 0.2
        case _:
            stripe = np.broadcast_to((y > random.uniform(0.3, 0.9))[:, None], nothing.shape)
            return as_floats(np.ones((len(y), len(x)))), stripe if random.random() < 0.5 else nothing


def _letters(random: np.random.Generator, x: Floats, y: Floats, lines: int, count: int) -> Floats:
    """Marks like letters: cells of 5 by 7 strokes, with gaps between letters and between lines."""
    strokes = random.random((lines * 7, count * 5)) < 0.6
    for stem in range(count):
        strokes[:, stem * 5 + int(random.integers(0, 4))] = True
    strokes[:, 4::5] = False
    strokes[6::7] &= lines == 1
    rows = np.minimum((y * lines * 7).astype(np.intp), lines * 7 - 1)
    columns = np.minimum((x * count * 5).astype(np.intp), count * 5 - 1)
    return as_floats(strokes[np.ix_(rows, columns)])
