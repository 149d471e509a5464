"""Puts what is nearer over what is farther: people, things and the shadows they cast, all in linear light."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from training.synthetic.figures.figure import Figure
from training.synthetic.float_arrays import Floats
from training.synthetic.linear_light import to_linear

PixelPoint = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layer:
    """A picture to put over another.

    Attributes:
        color: [h, w, 3] linear light, not premultiplied.
        alpha: [h, w] coverage, 0 to 1.
        left, top: where its corner is in the picture below; may be outside.
    """

    color: Floats
    alpha: Floats
    left: int
    top: int


def figure_layer(figure: Figure, foot: PixelPoint) -> Layer:
    """A figure that stands at a pixel."""
    return Layer(figure.color, figure.alpha, round(foot[0] - figure.foot[0]), round(foot[1] - figure.foot[1]))


def image_layer(image: Image.Image, left: int, top: int, light: Floats) -> Layer:
    """An RGBA picture of reflectances in a light, [3] or [h, w, 3]."""
    pixels = np.asarray(image)
    return Layer(to_linear(pixels[:, :, :3]) * light, pixels[:, :, 3] * np.float32(1 / 255), left, top)


def paste(canvas: Floats, layer: Layer) -> None:
    """Put a layer over a canvas [h, w, 3], in place."""
    inside = _overlap(canvas.shape[:2], layer)
    if inside is None:
        return
    rows, columns, layer_rows, layer_columns = inside
    alpha = layer.alpha[layer_rows, layer_columns, None]
    below = canvas[rows, columns]
    below += alpha * (layer.color[layer_rows, layer_columns] - below)


def clipped(layer: Layer, size: tuple[int, int]) -> Layer:
    """What of a layer lies in a picture of a width and height."""
    inside = _overlap((size[1], size[0]), layer)
    if inside is None:
        return Layer(layer.color[:0], layer.alpha[:0], layer.left, layer.top)
    rows, columns, layer_rows, layer_columns = inside
    return Layer(
        layer.color[layer_rows, layer_columns], layer.alpha[layer_rows, layer_columns], columns.start, rows.start
    )


def hidden_share(below: Layer, above: Layer) -> float:
    """How much of a layer another one covers, 0 to 1."""
    shifted = Layer(above.color, above.alpha, above.left - below.left, above.top - below.top)
    inside = _overlap(below.alpha.shape, shifted)
    if inside is None:
        return 0.0
    rows, columns, layer_rows, layer_columns = inside
    covered = float((below.alpha[rows, columns] * above.alpha[layer_rows, layer_columns]).sum())
    return covered / max(float(below.alpha.sum()), 1.0)


def blurred_by_motion(layer: Layer, pixels: int) -> Layer:
    """A layer that moved sideways by so many pixels while the shutter was open."""
    if pixels < 2:
        return layer
    height, width = layer.alpha.shape
    premultiplied = np.zeros((height, width + pixels - 1, 4), np.float32)
    own = np.concatenate((layer.color * layer.alpha[:, :, None], layer.alpha[:, :, None]), axis=2)
    for shift in range(pixels):
        premultiplied[:, shift : shift + width] += own
    premultiplied /= pixels
    alpha = premultiplied[:, :, 3]
    color = (premultiplied[:, :, :3] / np.maximum(alpha, 1e-4)[:, :, None]).astype(np.float32, copy=False)
    return Layer(color, alpha, layer.left - pixels // 2, layer.top)


def cast_shadow(layer: Layer, foot: PixelPoint, head: PixelPoint, tip: PixelPoint, size: tuple[int, int]) -> Floats:
    """The shadow of an upright layer on the ground.

    Args:
        layer: what stands in the light.
        foot: where it stands, in pixels of the picture below.
        head: where it ends.
        tip: where the head's shadow falls.
        size: width and height of that picture.

    Returns:
        [height, width], 0 in the light to 1 in the shadow.
    """
    up_x, up_y = head[0] - foot[0], head[1] - foot[1]
    tip_x, tip_y = tip[0] - foot[0], tip[1] - foot[1]
    # A shadow that falls straight aside would have no width at all.
    flattest = 0.08 * abs(up_y)
    if abs(tip_y) < flattest:
        tip_y = flattest if tip_y > 0 else -flattest
    slope_x = (up_x - tip_x) / tip_y
    slope_y = up_y / tip_y
    start_x, start_y = foot[0] - layer.left, foot[1] - layer.top
    coefficients = (1, slope_x, start_x - foot[0] - slope_x * foot[1], 0, slope_y, start_y - slope_y * foot[1])
    mask = Image.fromarray((np.clip(layer.alpha, 0, 1) * 255).astype(np.uint8))
    shadow = mask.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    soft = shadow.filter(ImageFilter.BoxBlur(max(0.8, 0.011 * abs(up_y))))
    return np.asarray(soft) * np.float32(1 / 255)


def contact_shadow(foot: PixelPoint, height: float, size: tuple[int, int]) -> Floats:
    """Where a standing figure keeps the sky's light from the ground, [height, width], 0 to 1."""
    columns = np.exp(-(((np.arange(size[0], dtype=np.float32) - foot[0]) / (0.13 * height)) ** 2))
    rows = np.exp(-(((np.arange(size[1], dtype=np.float32) - foot[1]) / (0.035 * height)) ** 2))
    shadow: Floats = rows[:, None] * columns[None, :]
    return shadow


def _overlap(size: tuple[int, int], layer: Layer) -> tuple[slice, slice, slice, slice] | None:
    """Rows and columns of the picture below and of the layer that lie over each other."""
    height, width = layer.alpha.shape
    top, left = max(0, layer.top), max(0, layer.left)
    bottom, right = min(size[0], layer.top + height), min(size[1], layer.left + width)
    if bottom <= top or right <= left:
        return None
    return (
        slice(top, bottom),
        slice(left, right),
        slice(top - layer.top, bottom - layer.top),
        slice(left - layer.left, right - layer.left),
    )
