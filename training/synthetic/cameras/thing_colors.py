"""The colours of things, walls and floors, as sRGB codes."""

import numpy as np

Color = tuple[int, int, int]


def thing_color(random: np.random.Generator) -> Color:
    """The colour of a thing: mostly greys and dull colours, sometimes a loud one."""
    grey = random.uniform(25, 235)
    red, green, blue = np.clip(grey + random.normal(0, 10 if random.random() < 0.82 else 45, 3), 5, 250)
    return int(red), int(green), int(blue)


def shaded(color: Color, factor: float) -> Color:
    """A colour made darker or lighter."""
    red, green, blue = (min(255, int(channel * factor)) for channel in color)
    return red, green, blue
