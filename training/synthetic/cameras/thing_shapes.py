"""The shapes that drawings of things are put together from, in pixels of the picture."""

from PIL import ImageDraw

from training.synthetic.cameras.thing_colors import Color, shaded

Draw = ImageDraw.ImageDraw


def draw_box(draw: Draw, left: float, top: float, right: float, bottom: float, *, color: Color) -> None:
    """A rectangle between two corners in pixels, whichever comes first."""
    draw.rectangle((min(left, right), min(top, bottom), max(left, right), max(top, bottom)), fill=color)


def draw_column(draw: Draw, x: float, y: float, size: tuple[float, float], color: Color) -> None:
    """An upright of a width and height in pixels that stands on (x, y), with a lit and a dark side."""
    width, height = size
    draw_box(draw, x - width / 2, y - height, x + width / 2, y, color=shaded(color, 0.75))
    draw_box(draw, x - width / 2, y - height, x + width * 0.1, y, color=color)
