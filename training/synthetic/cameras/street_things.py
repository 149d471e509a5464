"""Things that stand about out of doors: posts, plants, vehicles, railings, umbrellas.

Every drawing takes the foot of the thing in pixels and the pixels that a metre takes there.
"""

import numpy as np

from training.synthetic.cameras.thing_colors import shaded, thing_color
from training.synthetic.cameras.thing_shapes import Draw, draw_box, draw_column


def draw_pole(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A lamp post, a mast or a pillar."""
    width = random.uniform(0.05, 0.12) if random.random() < 0.6 else random.uniform(0.2, 0.6)
    draw_column(draw, x, y, (width * meter, random.uniform(2.4, 6) * meter), thing_color(random))


def draw_bollard(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A bollard with a band around it."""
    width, height, color = random.uniform(0.1, 0.3) * meter, random.uniform(0.5, 1.0) * meter, thing_color(random)
    draw_column(draw, x, y, (width, height), color)
    draw_box(draw, x - width / 2, y - height * 0.85, x + width / 2, y - height * 0.7, color=thing_color(random))


def draw_bush(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A bush, or a plant in its pot."""
    width, height = random.uniform(0.4, 1.4) * meter, random.uniform(0.5, 1.8) * meter
    green = np.asarray((random.uniform(30, 90), random.uniform(60, 120), random.uniform(20, 60)))
    if random.random() < 0.3:
        draw_column(draw, x, y, (width * 0.8, height * 0.3), thing_color(random))
    # Twigs in the shade first, those in the light over them.
    for share in np.linspace(0.35, 1.4, 110) * random.uniform(0.8, 1.2, 110):
        leaf_x = x + random.normal(0, 0.28) * width
        leaf_y = y - height * float(np.clip(random.normal(0.5, 0.24), 0.02, 1.0))
        radius = random.uniform(0.02, 0.085) * min(width, height)
        red, green_part, blue = (int(channel) for channel in green * share)
        draw.ellipse((leaf_x - radius, leaf_y - radius, leaf_x + radius, leaf_y + radius), fill=(red, green_part, blue))


def draw_car(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """The side of a parked car."""
    color, length, side = thing_color(random), random.uniform(3.8, 4.8) * meter, random.choice((-1, 1))
    roof, belt = random.uniform(1.35, 1.8) * meter, random.uniform(0.85, 1.0) * meter
    # The foot is at one of the car's ends, so that it hides one side of somebody behind.
    middle = x + random.uniform(-0.6, 0.6) * length
    outline = [(-0.5, 0.3), (-0.5, 0.8), (-0.28, 1.0), (0.3, 1.0), (0.5, 0.85), (0.5, 0.3)]
    draw.polygon([(middle + side * a * length, y - b * belt) for a, b in outline], fill=color)
    cabin = [(-0.40, 0.0), (-0.25, 1.0), (0.12, 1.0), (0.30, 0.0)]
    for share, fill in ((1.0, shaded(color, 0.8)), (0.86, (40, 46, 54))):
        draw.polygon(
            [(middle + side * a * share * length, y - belt * 0.95 - b * share * (roof - belt)) for a, b in cabin],
            fill=fill,
        )
    draw_box(
        draw, middle - 0.48 * length, y - 0.45 * belt, middle + 0.48 * length, y - 0.22 * belt, color=shaded(color, 0.6)
    )
    for wheel in (-0.31, 0.31):
        wheel_x, radius = middle + wheel * length, 0.32 * meter
        draw.ellipse((wheel_x - radius, y - 2 * radius, wheel_x + radius, y), fill=(22, 22, 24))
        draw.ellipse(
            (wheel_x - radius / 2, y - 1.5 * radius, wheel_x + radius / 2, y - radius / 2), fill=(120, 120, 125)
        )


def draw_bicycle(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A parked bicycle from the side."""
    color, radius, width = thing_color(random), 0.33 * meter, max(1, round(0.035 * meter))
    for wheel in (-0.5, 0.5):
        wheel_x = x + wheel * meter
        draw.ellipse((wheel_x - radius, y - 2 * radius, wheel_x + radius, y), outline=(30, 30, 30), width=width)
    frame = [(-0.5, 0.33), (-0.2, 0.75), (0.35, 0.78), (-0.05, 0.3), (-0.2, 0.75), (-0.22, 0.95)]
    draw.line([(x + a * meter, y - b * meter) for a, b in frame], fill=color, width=width)
    draw.line(
        [(x + a * meter, y - b * meter) for a, b in ((0.5, 0.33), (0.33, 1.0), (0.2, 1.02))], fill=color, width=width
    )


def draw_railing(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """A railing of one to three bars."""
    color, height = thing_color(random), random.uniform(0.8, 1.15) * meter
    bar, half = max(1, round(random.uniform(0.025, 0.06) * meter)), random.uniform(0.8, 3.0) * meter
    left, right = x - half * random.uniform(0.1, 1.0), x + half * random.uniform(0.1, 1.0)
    for share in (0.97, 0.5, 0.1)[: int(random.integers(1, 4))]:
        draw.line((left, y - height * share, right, y - height * share), fill=color, width=bar)
    step = max(3.0, random.choice((0.11, 0.3, 1.2)) * meter)
    for post in np.arange(left, right, step):
        draw.line((post, y, post, y - height), fill=shaded(color, 0.9), width=max(1, bar * 2 // 3))


def draw_umbrella(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    """An open umbrella, at the height at which it is carried."""
    color, half, top = thing_color(random), random.uniform(0.4, 0.6) * meter, random.uniform(1.9, 2.2) * meter
    draw.line((x, y - top, x, y - 1.0 * meter), fill=(50, 50, 50), width=max(1, round(0.02 * meter)))
    draw.chord((x - half, y - top, x + half, y - top + 1.1 * half), 180, 360, fill=color)
    for rib in (-0.5, 0.1, 0.6):
        draw.line((x, y - top, x + rib * half, y - top + 0.55 * half), fill=shaded(color, 0.7))
