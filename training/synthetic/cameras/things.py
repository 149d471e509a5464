"""Things that stand about where people walk: behind them in a scene, before them in a crop.

Every drawing takes the foot of the thing in pixels and the pixels that a metre takes there.
"""

from collections.abc import Callable
from enum import Enum
from math import cos, pi, sin

import numpy as np
from PIL import ImageDraw

from training.synthetic.cameras.camera import Projection
from training.synthetic.cameras.illumination import Setting

Draw = ImageDraw.ImageDraw
Color = tuple[int, int, int]


class Thing(Enum):
    """Kinds of things."""

    POLE = "pole"
    BOLLARD = "bollard"
    BUSH = "bush"
    CAR = "car"
    BICYCLE = "bicycle"
    RAILING = "railing"
    TABLE = "table"
    CHAIR = "chair"
    CART = "cart"
    SUITCASE = "suitcase"
    SIGN = "sign"
    BIN = "bin"
    SHELF = "shelf"
    UMBRELLA = "umbrella"
    SOMEBODY = "somebody"


_OUTDOORS = (Thing.POLE, Thing.BOLLARD, Thing.BUSH, Thing.CAR, Thing.BICYCLE, Thing.RAILING, Thing.SIGN, Thing.BIN)
_INDOORS = (Thing.TABLE, Thing.CHAIR, Thing.SHELF, Thing.SIGN, Thing.BIN, Thing.BUSH, Thing.POLE, Thing.SOMEBODY)
_TRAVEL = (Thing.CART, Thing.SUITCASE, Thing.RAILING, Thing.POLE, Thing.SIGN, Thing.BIN, Thing.CHAIR, Thing.SOMEBODY)
THINGS_OF = {
    Setting.STREET: (*_OUTDOORS, Thing.UMBRELLA, Thing.SOMEBODY),
    Setting.PARK: (Thing.BUSH, Thing.BUSH, Thing.POLE, Thing.RAILING, Thing.BICYCLE, Thing.BIN, Thing.UMBRELLA),
    Setting.STATION: _TRAVEL,
    Setting.HALL: (*_INDOORS, Thing.SUITCASE, Thing.RAILING),
    Setting.CORRIDOR: (Thing.CART, Thing.POLE, Thing.BIN, Thing.CHAIR, Thing.SIGN, Thing.BUSH),
    Setting.SHOP: (Thing.SHELF, Thing.SHELF, Thing.CART, Thing.TABLE, Thing.SIGN, Thing.SOMEBODY),
}


def draw_thing(draw: Draw, thing: Thing, foot: Projection, random: np.random.Generator) -> None:
    """Draw a thing upright where its foot is projected, in a size and colours of its own."""
    _DRAWINGS[thing](draw, foot.x, foot.y, foot.pixels_per_meter, random)


def thing_color(random: np.random.Generator) -> Color:
    """The colour of a thing: mostly greys and dull colours, sometimes a loud one."""
    grey = random.uniform(25, 235)
    red, green, blue = np.clip(grey + random.normal(0, 10 if random.random() < 0.82 else 45, 3), 5, 250)
    return int(red), int(green), int(blue)


def shaded(color: Color, factor: float) -> Color:
    """A colour made darker or lighter."""
    red, green, blue = (min(255, int(channel * factor)) for channel in color)
    return red, green, blue


def _box(draw: Draw, left: float, top: float, right: float, bottom: float, *, color: Color) -> None:
    draw.rectangle((min(left, right), min(top, bottom), max(left, right), max(top, bottom)), fill=color)


def _column(draw: Draw, x: float, y: float, size: tuple[float, float], color: Color) -> None:
    """An upright with a lit and a dark side."""
    width, height = size
    _box(draw, x - width / 2, y - height, x + width / 2, y, color=shaded(color, 0.75))
    _box(draw, x - width / 2, y - height, x + width * 0.1, y, color=color)


def _pole(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    width = random.uniform(0.05, 0.12) if random.random() < 0.6 else random.uniform(0.2, 0.6)
    _column(draw, x, y, (width * meter, random.uniform(2.4, 6) * meter), thing_color(random))


def _bollard(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    width, height, color = random.uniform(0.1, 0.3) * meter, random.uniform(0.5, 1.0) * meter, thing_color(random)
    _column(draw, x, y, (width, height), color)
    _box(draw, x - width / 2, y - height * 0.85, x + width / 2, y - height * 0.7, color=thing_color(random))


def _bush(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    width, height = random.uniform(0.4, 1.4) * meter, random.uniform(0.5, 1.8) * meter
    green = np.asarray((random.uniform(30, 90), random.uniform(60, 120), random.uniform(20, 60)))
    if random.random() < 0.3:
        _column(draw, x, y, (width * 0.8, height * 0.3), thing_color(random))
    # Twigs in the shade first, those in the light over them.
    for share in np.linspace(0.35, 1.4, 110) * random.uniform(0.8, 1.2, 110):
        leaf_x = x + random.normal(0, 0.28) * width
        leaf_y = y - height * float(np.clip(random.normal(0.5, 0.24), 0.02, 1.0))
        radius = random.uniform(0.02, 0.085) * min(width, height)
        red, green_part, blue = (int(channel) for channel in green * share)
        draw.ellipse((leaf_x - radius, leaf_y - radius, leaf_x + radius, leaf_y + radius), fill=(red, green_part, blue))


def _car(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
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
    _box(
        draw, middle - 0.48 * length, y - 0.45 * belt, middle + 0.48 * length, y - 0.22 * belt, color=shaded(color, 0.6)
    )
    for wheel in (-0.31, 0.31):
        wheel_x, radius = middle + wheel * length, 0.32 * meter
        draw.ellipse((wheel_x - radius, y - 2 * radius, wheel_x + radius, y), fill=(22, 22, 24))
        draw.ellipse(
            (wheel_x - radius / 2, y - 1.5 * radius, wheel_x + radius / 2, y - radius / 2), fill=(120, 120, 125)
        )


def _bicycle(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    color, radius, width = thing_color(random), 0.33 * meter, max(1, round(0.035 * meter))
    for wheel in (-0.5, 0.5):
        wheel_x = x + wheel * meter
        draw.ellipse((wheel_x - radius, y - 2 * radius, wheel_x + radius, y), outline=(30, 30, 30), width=width)
    frame = [(-0.5, 0.33), (-0.2, 0.75), (0.35, 0.78), (-0.05, 0.3), (-0.2, 0.75), (-0.22, 0.95)]
    draw.line([(x + a * meter, y - b * meter) for a, b in frame], fill=color, width=width)
    draw.line(
        [(x + a * meter, y - b * meter) for a, b in ((0.5, 0.33), (0.33, 1.0), (0.2, 1.02))], fill=color, width=width
    )


def _railing(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    color, height = thing_color(random), random.uniform(0.8, 1.15) * meter
    bar, half = max(1, round(random.uniform(0.025, 0.06) * meter)), random.uniform(0.8, 3.0) * meter
    left, right = x - half * random.uniform(0.1, 1.0), x + half * random.uniform(0.1, 1.0)
    for share in (0.97, 0.5, 0.1)[: int(random.integers(1, 4))]:
        draw.line((left, y - height * share, right, y - height * share), fill=color, width=bar)
    step = max(3.0, random.choice((0.11, 0.3, 1.2)) * meter)
    for post in np.arange(left, right, step):
        draw.line((post, y, post, y - height), fill=shaded(color, 0.9), width=max(1, bar * 2 // 3))


def _table(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    color, height, half = thing_color(random), random.uniform(0.7, 1.05) * meter, random.uniform(0.3, 0.8) * meter
    flatness, leg = random.uniform(0.12, 0.45), max(1.0, 0.04 * meter)
    top = y - height
    if random.random() < 0.5:
        _column(draw, x, y, (leg, height), (90, 90, 92))
        draw.ellipse((x - half, top - half * flatness, x + half, top + half * flatness), fill=color)
        return
    for edge in (-0.9, 0.9):
        _column(draw, x + edge * half, y, (leg, height), shaded(color, 0.6))
    lean = half * flatness
    draw.polygon(
        [(x - half, top), (x - half + lean, top - lean), (x + half + lean, top - lean), (x + half, top)], fill=color
    )
    _box(draw, x - half, top, x + half, top + 0.05 * meter, color=shaded(color, 0.7))
    if random.random() < 0.5:
        _box(draw, x - half, top, x + half, y - 0.1 * height, color=shaded(color, 0.85))


def _chair(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    color, half = thing_color(random), 0.23 * meter
    for edge in (-1, 1):
        _column(draw, x + edge * half, y, (max(1.0, 0.035 * meter), 0.45 * meter), shaded(color, 0.6))
    _box(draw, x - half, y - 0.9 * meter, x + half, y - 0.55 * meter, color=color)
    _box(draw, x - half * 1.1, y - 0.5 * meter, x + half * 1.1, y - 0.42 * meter, color=shaded(color, 0.8))


def _cart(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    color, half, height = thing_color(random), random.uniform(0.25, 0.45) * meter, random.uniform(0.85, 1.05) * meter
    bar = max(1, round(0.03 * meter))
    for share in np.linspace(0.3, 0.95, int(random.integers(3, 9))):
        draw.line((x - half, y - height * share, x + half, y - height * share), fill=color, width=bar)
    for edge in np.linspace(-1, 1, int(random.integers(2, 8))):
        draw.line((x + edge * half, y, x + edge * half, y - height), fill=shaded(color, 0.8), width=bar)
    for level in range(int(random.integers(0, 4))):
        top = y - height * (0.35 + 0.25 * level)
        _box(
            draw,
            x - half * 0.9,
            top - 0.25 * height,
            x + half * random.uniform(0.4, 0.9),
            top,
            color=thing_color(random),
        )


def _suitcase(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    color, half, height = thing_color(random), random.uniform(0.16, 0.26) * meter, random.uniform(0.5, 0.75) * meter
    draw.rounded_rectangle((x - half, y - height, x + half, y), radius=max(1.0, half * 0.3), fill=color)
    for stripe in np.linspace(-0.6, 0.6, 4):
        draw.line((x + stripe * half, y - height * 0.92, x + stripe * half, y - height * 0.08), fill=shaded(color, 0.8))
    draw.line(
        (x - half * 0.4, y - height, x - half * 0.4, y - 1.5 * height),
        fill=(60, 60, 62),
        width=max(1, round(0.03 * meter)),
    )


def _sign(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    half, bottom = random.uniform(0.2, 0.5) * meter, random.uniform(0.1, 1.6) * meter
    height = random.uniform(0.5, 1.1) * meter
    _column(draw, x, y, (max(1.0, 0.05 * meter), bottom + height), (110, 112, 115))
    _box(draw, x - half, y - bottom - height, x + half, y - bottom, color=thing_color(random))
    for line in range(int(random.integers(1, 6))):
        top = y - bottom - height * (0.85 - 0.15 * line)
        _box(
            draw,
            x - half * 0.8,
            top,
            x + half * random.uniform(-0.2, 0.8),
            top + 0.07 * height,
            color=thing_color(random),
        )


def _bin(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    color, half, height = thing_color(random), random.uniform(0.18, 0.35) * meter, random.uniform(0.6, 1.2) * meter
    outline = [(x - half * 0.85, y), (x - half, y - height), (x + half, y - height), (x + half * 0.85, y)]
    draw.polygon(outline, fill=color)
    _box(draw, x - half * 1.05, y - height, x + half * 1.05, y - height * 0.9, color=shaded(color, 0.6))


def _shelf(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    half, height, rows = random.uniform(0.5, 1.5) * meter, random.uniform(0.9, 2.1) * meter, int(random.integers(2, 6))
    _box(draw, x - half, y - height, x + half, y, color=shaded(thing_color(random), 0.8))
    for row in range(rows):
        bottom, left = y - height * (row + 0.08) / rows, x - half * 0.97
        while left < x + half * 0.93:
            width = random.uniform(0.06, 0.25) * meter
            right = min(left + width, x + half * 0.97)
            _box(
                draw, left, bottom - height / rows * random.uniform(0.4, 0.85), right, bottom, color=thing_color(random)
            )
            left += width * 1.08


def _umbrella(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
    color, half, top = thing_color(random), random.uniform(0.4, 0.6) * meter, random.uniform(1.9, 2.2) * meter
    draw.line((x, y - top, x, y - 1.0 * meter), fill=(50, 50, 50), width=max(1, round(0.02 * meter)))
    draw.chord((x - half, y - top, x + half, y - top + 1.1 * half), 180, 360, fill=color)
    for rib in (-0.5, 0.1, 0.6):
        draw.line((x, y - top, x + rib * half, y - top + 0.55 * half), fill=shaded(color, 0.7))


def _somebody(draw: Draw, x: float, y: float, meter: float, random: np.random.Generator) -> None:
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


_DRAWINGS: dict[Thing, Callable[[Draw, float, float, float, np.random.Generator], None]] = {
    Thing.POLE: _pole,
    Thing.BOLLARD: _bollard,
    Thing.BUSH: _bush,
    Thing.CAR: _car,
    Thing.BICYCLE: _bicycle,
    Thing.RAILING: _railing,
    Thing.TABLE: _table,
    Thing.CHAIR: _chair,
    Thing.CART: _cart,
    Thing.SUITCASE: _suitcase,
    Thing.SIGN: _sign,
    Thing.BIN: _bin,
    Thing.SHELF: _shelf,
    Thing.UMBRELLA: _umbrella,
    Thing.SOMEBODY: _somebody,
}
