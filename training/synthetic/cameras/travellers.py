"""What people push and pull, and people too far off to be more than a shape.

Every drawing takes the foot of the thing in pixels and the pixels that a metre takes there.
"""

from math import cos, pi, sin

import numpy as np

from training.synthetic.cameras.thing_colors import shaded, thing_color
from training.synthetic.cameras.thing_shapes import Draw, draw_box


def draw_cart(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A shopping or a luggage cart, empty or loaded."""
    color, half, height = thing_color(random), random.uniform(0.25, 0.45) * meter, random.uniform(0.85, 1.05) * meter
    bar = max(1, round(0.03 * meter))
    for share in np.linspace(0.3, 0.95, int(random.integers(3, 9))):
        draw.line((x - half, y - height * share, x + half, y - height * share), fill=color, width=bar)
    for edge in np.linspace(-1, 1, int(random.integers(2, 8))):
        draw.line((x + edge * half, y, x + edge * half, y - height), fill=shaded(color, 0.8), width=bar)
    for level in range(int(random.integers(0, 4))):
        top = y - height * (0.35 + 0.25 * level)
        draw_box(
            draw,
            x - half * 0.9,
            top - 0.25 * height,
            x + half * random.uniform(0.4, 0.9),
            top,
            color=thing_color(random),
        )


def draw_suitcase(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A suitcase with its handle drawn out."""
    color, half, height = thing_color(random), random.uniform(0.16, 0.26) * meter, random.uniform(0.5, 0.75) * meter
    draw.rounded_rectangle((x - half, y - height, x + half, y), radius=max(1.0, half * 0.3), fill=color)
    for stripe in np.linspace(-0.6, 0.6, 4):
        draw.line((x + stripe * half, y - height * 0.92, x + stripe * half, y - height * 0.08), fill=shaded(color, 0.8))
    draw.line(
        (x - half * 0.4, y - height, x - half * 0.4, y - 1.5 * height),
        fill=(60, 60, 62),
        width=max(1, round(0.03 * meter)),
    )


def draw_somebody(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """Somebody far off or out of focus: only the background may show people as simple as this."""
    upper, lower, step = thing_color(random), shaded(thing_color(random), 0.6), random.uniform(0, 0.25) * meter
    skin = shaded((225, 180, 150), random.uniform(0.3, 1.0))
    for side in (-1, 1):
        ankle = x + side * step
        draw.line((x, y - 0.85 * meter, ankle, y), fill=lower, width=max(1, round(0.14 * meter)))
        arm = x + side * (0.22 * meter + 0.03 * meter * cos(pi * step))
        draw.line(
            (x + side * 0.17 * meter, y - 1.36 * meter, arm, y - 0.85 * meter),
            fill=shaded(upper, 0.85),
            width=max(1, round(0.1 * meter)),
        )
    draw.rounded_rectangle(
        (x - 0.2 * meter, y - 1.43 * meter, x + 0.2 * meter, y - 0.78 * meter), radius=0.1 * meter, fill=upper
    )
    draw.ellipse((x - 0.1 * meter, y - 1.7 * meter, x + 0.1 * meter, y - 1.42 * meter), fill=skin)
    draw.pieslice(
        (x - 0.11 * meter, y - 1.72 * meter, x + 0.11 * meter, y - 1.46 * meter),
        170,
        370 + 5 * sin(step),
        fill=(35, 28, 22),
    )
