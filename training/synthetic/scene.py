"""What stands behind and before the people at one camera."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from training.synthetic.canvas import CANVAS_HEIGHT
from training.synthetic.fabric import smooth_noise

SCENE_WIDTH, SCENE_HEIGHT = 1152, CANVAS_HEIGHT
Rectangle = tuple[int, int, int, int]


def draw_scene(random: np.random.Generator) -> Image.Image:
    """A wide RGB picture of wall, floor and things, SCENE_WIDTH x SCENE_HEIGHT; crops see a window of it."""
    horizon = int(random.uniform(0.35, 0.95) * SCENE_HEIGHT)
    scene = Image.new("RGB", (SCENE_WIDTH, SCENE_HEIGHT), _muted_color(random, 60, 225))
    draw = ImageDraw.Draw(scene)
    _draw_bricks(draw, random, (0, 0, SCENE_WIDTH, horizon))
    for _ in range(int(random.integers(4, 14))):
        _draw_thing(draw, random, horizon)
    draw.rectangle((0, horizon, SCENE_WIDTH, SCENE_HEIGHT), fill=_muted_color(random, 50, 190))
    _draw_bricks(draw, random, (0, horizon, SCENE_WIDTH, SCENE_HEIGHT))
    if random.random() < 0.5:
        draw.rectangle(
            (0, horizon - int(random.integers(4, 14)), SCENE_WIDTH, horizon), fill=_muted_color(random, 20, 120)
        )
    return Image.fromarray(_roughen(np.asarray(scene, np.float32), random))


def draw_occluder(scene: Image.Image, random: np.random.Generator) -> None:
    """Put something before the lower part or one side of a crop, in place."""
    width, height = scene.size
    draw = ImageDraw.Draw(scene)
    color = _muted_color(random, 30, 200)
    if random.random() < 0.5:
        draw.rectangle((0, height - int(height * random.uniform(0.08, 0.3)), width, height), fill=color)
        return
    reach = int(width * random.uniform(0.1, 0.3))
    left = 0 if random.random() < 0.5 else width - reach
    draw.rectangle((left, int(height * random.uniform(0.0, 0.4)), left + reach, height), fill=color)


def _muted_color(random: np.random.Generator, darkest: int, brightest: int) -> tuple[int, int, int]:
    grey = random.uniform(darkest, brightest)
    red, green, blue = (int(value) for value in np.clip(grey + random.normal(0, 18, 3), 0, 255))
    return red, green, blue


def _draw_bricks(draw: ImageDraw.ImageDraw, random: np.random.Generator, area: Rectangle) -> None:
    """Joints of tiles, planks or bricks; sometimes none."""
    if random.random() < 0.35:
        return
    color = _muted_color(random, 40, 200)
    step_x, step_y = int(random.integers(14, 220)), int(random.integers(14, 120))
    slant = int(random.normal(0, 30))
    for x in range(area[0] - 100, area[2] + 100, step_x):
        draw.line((x, area[1], x + slant, area[3]), fill=color, width=int(random.integers(1, 4)))
    if random.random() < 0.6:
        for y in range(area[1], area[3], step_y):
            draw.line((area[0], y, area[2], y), fill=color, width=2)


def _draw_thing(draw: ImageDraw.ImageDraw, random: np.random.Generator, horizon: int) -> None:
    """A door, window, post, poster or bush."""
    x, width = int(random.integers(0, SCENE_WIDTH)), int(random.integers(12, 200))
    top = int(random.uniform(0.0, 0.7) * horizon)
    bottom = horizon if random.random() < 0.6 else int(random.uniform(top + 5, horizon + 5))
    color = _muted_color(random, 15, 240)
    if random.random() < 0.25:
        for _ in range(25):
            leaf_x, leaf_y = x + random.normal(0, width / 2), random.uniform(top, horizon)
            radius = random.uniform(6, 26)
            shade = tuple(
                int(channel * random.uniform(0.5, 0.9)) for channel in (color[0] * 0.6, color[1] * 0.8, color[2] * 0.5)
            )
            draw.ellipse(
                (leaf_x - radius, leaf_y - radius, leaf_x + radius, leaf_y + radius),
                fill=(shade[0], shade[1], shade[2]),
            )
        return
    draw.rectangle(
        (x, top, x + width, bottom), fill=color, outline=_muted_color(random, 10, 200), width=int(random.integers(1, 8))
    )


def _roughen(pixels: npt.NDArray[np.float32], random: np.random.Generator) -> npt.NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    grain = np.zeros((height, width), np.float32)
    for cell, strength in ((2, 5.0), (8, 7.0), (64, 18.0)):
        grain += strength * smooth_noise(random, width, height, cell)
    rough: npt.NDArray[np.uint8] = np.clip(pixels + grain[:, :, None], 0, 255).astype(np.uint8)
    return rough
