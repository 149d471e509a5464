"""What a room or a pavement is furnished with: tables, chairs, signs, bins, shelves.

Every drawing takes the foot of the thing in pixels and the pixels that a metre takes there.
"""

import numpy as np

from training.synthetic.cameras.thing_colors import shaded, thing_color
from training.synthetic.cameras.thing_shapes import Draw, draw_box, draw_column


def draw_table(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A round table, a table or a desk."""
    color, height, half = thing_color(random), random.uniform(0.7, 1.05) * meter, random.uniform(0.3, 0.8) * meter
    flatness, leg = random.uniform(0.12, 0.45), max(1.0, 0.04 * meter)
    top = y - height
    if random.random() < 0.5:
        draw_column(draw, x, y, (leg, height), (90, 90, 92))
        draw.ellipse((x - half, top - half * flatness, x + half, top + half * flatness), fill=color)
        return
    for edge in (-0.9, 0.9):
        draw_column(draw, x + edge * half, y, (leg, height), shaded(color, 0.6))
    lean = half * flatness
    draw.polygon(
        [(x - half, top), (x - half + lean, top - lean), (x + half + lean, top - lean), (x + half, top)], fill=color
    )
    draw_box(draw, x - half, top, x + half, top + 0.05 * meter, color=shaded(color, 0.7))
    if random.random() < 0.5:
        draw_box(draw, x - half, top, x + half, y - 0.1 * height, color=shaded(color, 0.85))


def draw_chair(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A chair from the front."""
    color, half = thing_color(random), 0.23 * meter
    for edge in (-1, 1):
        draw_column(draw, x + edge * half, y, (max(1.0, 0.035 * meter), 0.45 * meter), shaded(color, 0.6))
    draw_box(draw, x - half, y - 0.9 * meter, x + half, y - 0.55 * meter, color=color)
    draw_box(draw, x - half * 1.1, y - 0.5 * meter, x + half * 1.1, y - 0.42 * meter, color=shaded(color, 0.8))


def draw_sign(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A board with lines of writing, on a post."""
    half, bottom = random.uniform(0.2, 0.5) * meter, random.uniform(0.1, 1.6) * meter
    height = random.uniform(0.5, 1.1) * meter
    draw_column(draw, x, y, (max(1.0, 0.05 * meter), bottom + height), (110, 112, 115))
    draw_box(draw, x - half, y - bottom - height, x + half, y - bottom, color=thing_color(random))
    for line in range(int(random.integers(1, 6))):
        top = y - bottom - height * (0.85 - 0.15 * line)
        draw_box(
            draw,
            x - half * 0.8,
            top,
            x + half * random.uniform(-0.2, 0.8),
            top + 0.07 * height,
            color=thing_color(random),
        )


def draw_bin(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A litter bin."""
    color, half, height = thing_color(random), random.uniform(0.18, 0.35) * meter, random.uniform(0.6, 1.2) * meter
    outline = [(x - half * 0.85, y), (x - half, y - height), (x + half, y - height), (x + half * 0.85, y)]
    draw.polygon(outline, fill=color)
    draw_box(draw, x - half * 1.05, y - height, x + half * 1.05, y - height * 0.9, color=shaded(color, 0.6))


def draw_shelf(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A shelf full of goods."""
    half, height, rows = random.uniform(0.5, 1.5) * meter, random.uniform(0.9, 2.1) * meter, int(random.integers(2, 6))
    draw_box(draw, x - half, y - height, x + half, y, color=shaded(thing_color(random), 0.8))
    for row in range(rows):
        bottom, left = y - height * (row + 0.08) / rows, x - half * 0.97
        while left < x + half * 0.93:
            width = random.uniform(0.06, 0.25) * meter
            right = min(left + width, x + half * 0.97)
            draw_box(
                draw, left, bottom - height / rows * random.uniform(0.4, 0.85), right, bottom, color=thing_color(random)
            )
            left += width * 1.08
