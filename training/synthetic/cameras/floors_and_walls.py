"""Floors, walls, ceilings and skies as pictures of known scale, which a scene lays out in space."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from training.synthetic.cameras.illumination import Setting
from training.synthetic.cameras.thing_colors import Color, shaded, thing_color

PIXELS_PER_METER = 40
FLOOR_METERS, WALL_METERS = 12, 26


@dataclass(frozen=True, slots=True)
class TiledTexture:
    """A picture of what covers a floor or a wall, [h, w, 3] uint8, PIXELS_PER_METER, repeated in both directions."""

    texture: npt.NDArray[np.uint8]

    def colors(self, across: npt.NDArray[np.float32], along: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """The colours at so many metres across and along, [n, 3]."""
        height, width = self.texture.shape[:2]
        columns = (across * PIXELS_PER_METER).astype(np.int32) % width
        rows = (along * PIXELS_PER_METER).astype(np.int32) % height
        colors: npt.NDArray[np.uint8] = self.texture[rows, columns]
        return colors


def cloudy_noise(random: np.random.Generator, width: int, height: int, cell: int) -> npt.NDArray[np.float32]:
    """Value noise in [-1, 1], [height, width], smooth over about `cell` pixels."""
    coarse = random.integers(0, 256, (max(2, height // cell), max(2, width // cell)), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noise: npt.NDArray[np.float32] = np.asarray(image, dtype=np.float32) / 127.5 - 1.0
    return noise


def draw_floor(random: np.random.Generator, setting: Setting) -> TiledTexture:
    """A floor for a setting: tiles, planks, paving, asphalt, carpet, gravel or grass."""
    side = FLOOR_METERS * PIXELS_PER_METER
    base = _floor_color(random, setting)
    image = Image.new("RGB", (side, side), base)
    draw = ImageDraw.Draw(image)
    kind = random.random()
    if setting is Setting.PARK and kind < 0.7:
        return _roughened(image, random, ((2, 22.0), (9, 12.0), (80, 12.0)))
    if kind < 0.35:
        _draw_tiles(draw, random, base, side)
    elif kind < 0.55 and not setting.is_outdoors:
        _draw_planks(draw, random, base, side)
    elif kind < 0.70:
        _draw_bands(draw, random, side)
    if setting is Setting.STREET and random.random() < 0.5:
        _draw_markings(draw, random, side)
    strength = random.uniform(0.3, 1.6) if setting.is_outdoors else random.uniform(0.1, 0.8)
    return _roughened(image, random, ((2, 9.0 * strength), (8, 6.0 * strength), (64, 8.0 * strength)))


def draw_wall(random: np.random.Generator, setting: Setting, height_meters: float) -> TiledTexture:
    """A wall with what hangs and opens in it: doors, windows, posters, bricks, panels, a skirting."""
    width, height = WALL_METERS * PIXELS_PER_METER, max(40, round(height_meters * PIXELS_PER_METER))
    bright = random.uniform(120, 240) if random.random() < 0.7 else random.uniform(35, 120)
    base = _tinted(random, bright, 14)
    image = Image.new("RGB", (width, height), base)
    draw = ImageDraw.Draw(image)
    if random.random() < 0.45:
        _draw_joints(draw, random, base, (width, height))
    if random.random() < 0.3:
        top = height - round(random.uniform(0.8, 1.5) * PIXELS_PER_METER)
        draw.rectangle((0, top, width, height), fill=_tinted(random, random.uniform(50, 220), 25))
    for _ in range(int(random.integers(0, 8))):
        _draw_opening(draw, random, (width, height))
    for _ in range(int(random.integers(0, 10))):
        _draw_poster(draw, random, (width, height))
    if random.random() < 0.5:
        skirting = height - int(random.integers(3, 9))
        draw.rectangle((0, skirting, width, height), fill=shaded(base, random.uniform(0.2, 0.8)))
    grain = random.uniform(0.2, 1.2)
    return _roughened(image, random, ((3, 5.0 * grain), (16, 6.0 * grain), (120, 12.0)))


def draw_ceiling(random: np.random.Generator) -> TiledTexture:
    """A ceiling with rows of lamps."""
    side = FLOOR_METERS * PIXELS_PER_METER
    image = Image.new("RGB", (side, side), _tinted(random, random.uniform(110, 235), 8))
    draw = ImageDraw.Draw(image)
    step = int(random.integers(60, 200))
    width, length = int(random.integers(6, 30)), int(random.integers(6, 80))
    for x in range(0, side, step):
        for y in range(0, side, step):
            draw.rectangle((x, y, x + width, y + length), fill=(255, 255, 255))
    return TiledTexture(np.asarray(image))


def draw_sky(random: np.random.Generator, width: int, height: int) -> npt.NDArray[np.uint8]:
    """A sky or a far row of houses and trees, [height, width, 3]."""
    top, bottom = _tinted(random, random.uniform(170, 250), 10), _tinted(random, random.uniform(190, 255), 8)
    blend = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = np.asarray(top, np.float32) * (1 - blend) + np.asarray(bottom, np.float32) * blend
    clouds = cloudy_noise(random, width, height, 90)[:, :, None] * random.uniform(0, 25)
    shown: npt.NDArray[np.uint8] = np.clip(sky + clouds, 0, 255).astype(np.uint8)
    return shown


def _floor_color(random: np.random.Generator, setting: Setting) -> Color:
    if setting is Setting.PARK:
        return int(random.uniform(60, 120)), int(random.uniform(80, 135)), int(random.uniform(35, 75))
    if not setting.is_outdoors and random.random() < 0.35:
        # Wood and terracotta.
        depth = random.uniform(0.45, 1.2)
        return shaded((170, 112, 70), depth)
    return _tinted(random, random.uniform(45, 210), 10)


def _tinted(random: np.random.Generator, grey: float, spread: float) -> Color:
    red, green, blue = np.clip(grey * (1 + random.normal(0, spread / 190, 3)), 4, 255)
    return int(red), int(green), int(blue)


def _draw_tiles(draw: ImageDraw.ImageDraw, random: np.random.Generator, base: Color, side: int) -> None:
    # A divisor of the side, so that the floor repeats without a seam.
    step = int(random.choice((10, 12, 16, 20, 24, 32, 40, 48)))
    contrast = random.uniform(0, 0.25) if random.random() < 0.7 else random.uniform(0.3, 0.7)
    for row in range(side // step):
        for column in range(side // step):
            factor = 1 + contrast * (((row + column) % 2) - 0.5) + random.normal(0, 0.03)
            draw.rectangle(
                (column * step, row * step, (column + 1) * step, (row + 1) * step), fill=shaded(base, factor)
            )
    joint = shaded(base, random.uniform(0.5, 1.25))
    for line in range(0, side, step):
        draw.line((line, 0, line, side), fill=joint)
        draw.line((0, line, side, line), fill=joint)


def _draw_planks(draw: ImageDraw.ImageDraw, random: np.random.Generator, base: Color, side: int) -> None:
    width = int(random.integers(4, 14))
    for x in range(0, side, width):
        y = -int(random.integers(0, 80))
        while y < side:
            length = int(random.integers(40, 160))
            draw.rectangle((x, y, x + width - 1, y + length), fill=shaded(base, 1 + random.normal(0, 0.10)))
            y += length
        draw.line((x, 0, x, side), fill=shaded(base, 0.65))


def _draw_bands(draw: ImageDraw.ImageDraw, random: np.random.Generator, side: int) -> None:
    for _ in range(int(random.integers(1, 5))):
        start, width = int(random.integers(side)), int(random.integers(8, 120))
        color = _tinted(random, random.uniform(40, 220), 20)
        draw.rectangle(
            (start, 0, start + width, side) if random.random() < 0.5 else (0, start, side, start + width), fill=color
        )


def _draw_markings(draw: ImageDraw.ImageDraw, random: np.random.Generator, side: int) -> None:
    color, start = _tinted(random, random.uniform(190, 245), 6), int(random.integers(side))
    if random.random() < 0.4:
        for stripe in range(0, side, 40):
            draw.rectangle((stripe, start, stripe + 20, start + 140), fill=color)
        return
    width = int(random.integers(4, 9))
    for dash in range(0, side, 160):
        draw.rectangle((start, dash, start + width, dash + int(random.integers(60, 160))), fill=color)


def _draw_joints(draw: ImageDraw.ImageDraw, random: np.random.Generator, base: Color, size: tuple[int, int]) -> None:
    width, height = size
    joint, step_y = shaded(base, random.uniform(0.6, 1.2)), int(random.integers(4, 60))
    step_x = int(step_y * random.uniform(1.0, 4.0))
    for row, y in enumerate(range(0, height, step_y)):
        draw.line((0, y, width, y), fill=joint)
        for x in range((row % 2) * step_x // 2, width, step_x):
            draw.line((x, y, x, y + step_y), fill=joint)


def _draw_opening(draw: ImageDraw.ImageDraw, random: np.random.Generator, size: tuple[int, int]) -> None:
    """A door, a window or a shop window with its frame."""
    width, height = size
    is_door = random.random() < 0.4
    opening_width = int(random.uniform(0.8, 1.8 if is_door else 4.0) * PIXELS_PER_METER)
    bottom = height if is_door else height - int(random.uniform(0.2, 1.2) * PIXELS_PER_METER)
    top = max(0, height - int(random.uniform(2.0, 2.6) * PIXELS_PER_METER))
    x = int(random.integers(0, width))
    frame = thing_color(random)
    draw.rectangle((x - 4, top - 4, x + opening_width + 4, bottom), fill=frame)
    pane = _tinted(random, random.uniform(15, 90), 8) if random.random() < 0.6 else _tinted(random, 250, 5)
    draw.rectangle((x, top, x + opening_width, bottom), fill=thing_color(random) if is_door else pane)
    for bar in range(x, x + opening_width, max(20, int(random.integers(20, 80)))):
        draw.line((bar, top, bar, bottom), fill=frame, width=2)
    if not is_door:
        for _ in range(int(random.integers(0, 6))):
            left, right = sorted(random.uniform(x, x + opening_width, 2))
            draw.rectangle((left, random.uniform(top, bottom), right, bottom), fill=thing_color(random))


def _draw_poster(draw: ImageDraw.ImageDraw, random: np.random.Generator, size: tuple[int, int]) -> None:
    width, height = size
    x, poster_width = int(random.integers(0, width)), int(random.integers(12, 80))
    bottom = height - int(random.uniform(0.5, 1.8) * PIXELS_PER_METER)
    top = bottom - int(random.integers(12, 70))
    draw.rectangle((x, top, x + poster_width, bottom), fill=thing_color(random), outline=thing_color(random), width=2)
    for _ in range(int(random.integers(0, 5))):
        left, upper = random.uniform(x, x + poster_width), random.uniform(top, bottom)
        draw.rectangle(
            (left, upper, left + random.uniform(2, poster_width / 2), upper + random.uniform(2, 16)),
            fill=thing_color(random),
        )


def _roughened(image: Image.Image, random: np.random.Generator, octaves: tuple[tuple[int, float], ...]) -> TiledTexture:
    grain = sum(strength * cloudy_noise(random, *image.size, cell) for cell, strength in octaves)
    pixels = np.asarray(image, np.float32) * (1 + np.asarray(grain, np.float32)[:, :, None] / 128)
    return TiledTexture(np.clip(pixels, 0, 255).astype(np.uint8))
