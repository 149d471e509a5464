"""Draws head, hair and headwear."""

from math import cos, sin

from training.synthetic.appearance import HairStyle, Headwear, PersonAppearance
from training.synthetic.canvas import PERSON_PIXELS, Canvas
from training.synthetic.fabric import Fabric, Pattern

_LONG_HAIR = (HairStyle.MEDIUM, HairStyle.LONG)
_EYES = Fabric(Pattern.PLAIN, (40, 32, 30), (40, 32, 30), 16, 0.5, 0)


def draw_head(canvas: Canvas, appearance: PersonAppearance) -> None:
    """The head from any side: hair behind, face if it is seen, hair or headwear above."""
    facing = cos(canvas.view.yaw)
    size = appearance.body.head_size
    if appearance.hair_style in _LONG_HAIR and facing > -0.2:
        _draw_fall_of_hair(canvas, appearance)
    _blob(canvas, (0.0, 0.072, 0.0), (0.050 * size, 0.068 * size), appearance.skin)
    if appearance.hair_style is not HairStyle.BALD:
        _blob(canvas, (0.0, 0.062, -0.012), (0.054 * size, 0.064 * size), appearance.hair)
    if facing > -0.35:
        _draw_face(canvas, appearance, facing)
    if appearance.hair_style in _LONG_HAIR and facing <= -0.2:
        _draw_fall_of_hair(canvas, appearance)
    if appearance.hair_style is HairStyle.PONYTAIL and facing < 0.5:
        end = 0.16 + appearance.hair_length * 0.4
        canvas.limb((0.0, 0.06, -0.06), (0.0, end, -0.075), (0.020, 0.012), appearance.hair, brightness=0.93)
    if appearance.hair_style is HairStyle.BUN:
        _blob(canvas, (0.0, 0.015, -0.035), (0.028, 0.028), appearance.hair, brightness=0.93)
    _draw_headwear(canvas, appearance, facing)


def _blob(
    canvas: Canvas,
    centre: tuple[float, float, float],
    radii: tuple[float, float],
    fabric: Fabric,
    *,
    brightness: float = 1.0,
) -> None:
    scale = canvas.view.scale(centre[1]) * PERSON_PIXELS
    canvas.ellipse(canvas.pixel(centre), radii[0] * scale, radii[1] * scale, fabric, brightness)


def _draw_face(canvas: Canvas, appearance: PersonAppearance, facing: float) -> None:
    size = appearance.body.head_size
    across = 0.041 * size * (0.55 + 0.45 * max(facing, 0.0)) + 0.004
    _blob(canvas, (0.0, 0.084, 0.022), (across, 0.052 * size), appearance.skin)
    if appearance.has_beard:
        _blob(canvas, (0.0, 0.118, 0.026), (across * 0.85, 0.024 * size), appearance.hair)
    for side in (-0.018, 0.018):
        if facing + side * 12 * sin(canvas.view.yaw) > 0.1:
            radius = 0.010 if appearance.has_glasses else 0.006
            _blob(canvas, (side, 0.078, 0.045), (radius, radius * 0.8), _EYES)


def _draw_fall_of_hair(canvas: Canvas, appearance: PersonAppearance) -> None:
    end = appearance.hair_length if appearance.hair_style is HairStyle.LONG else 0.165
    width = 0.058 * appearance.body.head_size
    canvas.limb((0.0, 0.07, -0.016), (0.0, end - 0.03, -0.045), (width, width * 0.85), appearance.hair, brightness=0.92)


def _draw_headwear(canvas: Canvas, appearance: PersonAppearance, facing: float) -> None:
    size = appearance.body.head_size
    if appearance.headwear in (Headwear.CAP, Headwear.BEANIE):
        _blob(canvas, (0.0, 0.036, -0.004), (0.057 * size, 0.042 * size), appearance.headwear_fabric)
    if appearance.headwear is Headwear.CAP and facing > -0.6:
        _blob(
            canvas,
            (0.0, 0.062, 0.065),
            (0.022 + 0.026 * max(facing, 0.0), 0.010),
            appearance.headwear_fabric,
            brightness=0.8,
        )
    if appearance.headwear is Headwear.HOOD:
        _blob(canvas, (0.0, 0.060, -0.022), (0.064 * size, 0.076 * size), appearance.upper, brightness=0.95)
        if facing > 0:
            _blob(
                canvas,
                (0.0, 0.084, 0.030),
                (0.036 * size * max(facing, 0.3), 0.050 * size),
                appearance.skin,
                brightness=0.85,
            )
