"""Colours that people wear and have, as continuous distributions."""

import colorsys
from dataclasses import dataclass

import numpy as np

Color = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class _Family:
    """A family of colours: ranges of hue (turns), saturation and value, and how often it is worn above and below."""

    hue: tuple[float, float]
    saturation: tuple[float, float]
    value: tuple[float, float]
    above: float
    below: float
    bags: float


# Shares are guesses from photographs of streets: dark and grey rule, below the waist still more.
_FAMILIES = (
    _Family((0.0, 1.0), (0.0, 0.14), (0.07, 0.18), 24, 32, 40),  # black
    _Family((0.0, 1.0), (0.0, 0.08), (0.18, 0.40), 9, 12, 9),  # dark grey
    _Family((0.0, 1.0), (0.0, 0.08), (0.40, 0.72), 11, 7, 6),  # grey
    _Family((0.0, 1.0), (0.0, 0.06), (0.80, 0.96), 14, 3, 4),  # white
    _Family((0.58, 0.66), (0.35, 0.75), (0.13, 0.32), 9, 14, 8),  # navy
    _Family((0.56, 0.62), (0.22, 0.55), (0.30, 0.68), 6, 17, 3),  # denim
    _Family((0.07, 0.13), (0.10, 0.38), (0.58, 0.88), 5, 6, 6),  # beige
    _Family((0.03, 0.08), (0.30, 0.65), (0.20, 0.48), 3, 3, 9),  # brown
    _Family((0.14, 0.28), (0.18, 0.48), (0.20, 0.45), 3.5, 3, 3),  # olive
    _Family((0.93, 1.01), (0.50, 0.85), (0.25, 0.48), 2.5, 0.7, 2.5),  # burgundy
    _Family((0.97, 1.03), (0.60, 0.92), (0.50, 0.88), 3.5, 0.5, 3),  # red
    _Family((0.90, 1.00), (0.15, 0.55), (0.70, 0.95), 2.5, 0.4, 2),  # pink
    _Family((0.03, 0.09), (0.60, 0.92), (0.70, 0.95), 1.2, 0.2, 1),  # orange
    _Family((0.11, 0.16), (0.40, 0.90), (0.70, 0.95), 1.7, 0.3, 1),  # yellow
    _Family((0.25, 0.45), (0.30, 0.80), (0.25, 0.70), 2.2, 0.4, 1),  # green
    _Family((0.46, 0.54), (0.25, 0.80), (0.30, 0.75), 1.8, 0.3, 1),  # teal
    _Family((0.53, 0.60), (0.15, 0.45), (0.70, 0.93), 4, 1, 1),  # light blue
    _Family((0.58, 0.66), (0.60, 0.92), (0.40, 0.80), 3, 0.6, 2),  # blue
    _Family((0.68, 0.85), (0.20, 0.65), (0.25, 0.70), 2, 0.4, 1.5),  # purple
)
_SKIN_LIGHT_TO_DARK = np.asarray(
    [(238, 205, 186), (228, 186, 158), (206, 160, 126), (174, 126, 94), (134, 92, 66), (94, 64, 48), (60, 42, 34)],
    float,
)
_HAIR_DARK_TO_LIGHT = np.asarray(
    [(18, 15, 15), (30, 23, 21), (52, 38, 30), (84, 60, 42), (126, 94, 60), (170, 134, 88), (206, 176, 128)], float
)


def sample_above(random: np.random.Generator) -> Color:
    """An sRGB colour, 0 to 255, for what is worn above the waist."""
    return _sample(random, [family.above for family in _FAMILIES])


def sample_below(random: np.random.Generator) -> Color:
    """The same for below the waist."""
    return _sample(random, [family.below for family in _FAMILIES])


def sample_bag(random: np.random.Generator) -> Color:
    """The same for bags and shoes."""
    return _sample(random, [family.bags for family in _FAMILIES])


def sample_bright(random: np.random.Generator) -> Color:
    """A colour for prints and seams that is meant to be seen: white or saturated."""
    if random.random() < 0.4:
        return shaded((245.0, 245.0, 243.0), float(random.uniform(0.85, 1.0)))
    return _hsv(float(random.random()), float(random.uniform(0.5, 0.95)), float(random.uniform(0.55, 0.95)))


def sample_skin(random: np.random.Generator) -> Color:
    """A skin colour, over the whole human range."""
    position = random.beta(1.3, 1.6) * (len(_SKIN_LIGHT_TO_DARK) - 1)
    return _moved(random, _between(_SKIN_LIGHT_TO_DARK, position), 5.0, 4.0)


def sample_hair(random: np.random.Generator) -> Color:
    """A hair colour: natural, grey or dyed."""
    kind = random.random()
    if kind < 0.12:
        grey = random.uniform(95, 225)
        return grey, grey * 0.99, grey * 0.97
    if kind < 0.16:
        return _hsv(float(random.random()), float(random.uniform(0.4, 0.85)), float(random.uniform(0.3, 0.8)))
    if kind < 0.20:
        return _hsv(
            float(random.uniform(0.02, 0.06)), float(random.uniform(0.55, 0.8)), float(random.uniform(0.3, 0.6))
        )
    position = random.beta(1.0, 2.2) * (len(_HAIR_DARK_TO_LIGHT) - 1)
    return _moved(random, _between(_HAIR_DARK_TO_LIGHT, position), 3.0, 2.0)


def shaded(color: Color, factor: float) -> Color:
    """A colour made darker (below 1) or lighter."""
    red, green, blue = (min(255.0, channel * factor) for channel in color)
    return red, green, blue


def _sample(random: np.random.Generator, weights: list[float]) -> Color:
    family = _FAMILIES[int(random.choice(len(_FAMILIES), p=np.asarray(weights) / sum(weights)))]
    return _hsv(*(float(random.uniform(*limits)) for limits in (family.hue, family.saturation, family.value)))


def _hsv(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return 255 * red, 255 * green, 255 * blue


def _between(colors: np.ndarray, position: float) -> np.ndarray:
    index = min(int(position), len(colors) - 2)
    share = position - index
    return np.asarray(colors[index] * (1 - share) + colors[index + 1] * share)


def _moved(random: np.random.Generator, color: np.ndarray, together: float, apart: float) -> Color:
    red, green, blue = np.clip(color + random.normal(0, together) + random.normal(0, apart, 3), 6, 250)
    return float(red), float(green), float(blue)
