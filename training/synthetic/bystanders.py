"""Strangers who happen to be in the picture: a small crowd per network, drawn once and shown again at other sizes."""

from dataclasses import dataclass
from functools import lru_cache
from math import pi

import numpy as np
from PIL import Image

from training.synthetic.figures.figure import render_figure
from training.synthetic.figures.view import Light, View
from training.synthetic.float_arrays import Floats
from training.synthetic.layers import Layer, PixelPoint, image_layer
from training.synthetic.linear_light import to_codes
from training.synthetic.people.appearance import sample_appearance
from training.synthetic.people.pose import sample_pose
from training.synthetic.random_streams import Stream, random_stream

# Enough that nobody learns them by heart, few enough that a process draws them all in some seconds.
_NUM_BYSTANDERS = 40
# Radians, see `View`: what lies between them is shown from the nearest.
_ELEVATIONS = (0.08, 0.35, 0.7)
_HEIGHT_PIXELS = 160
_LIGHT = Light((0.3, 0.8, 0.52), (0.55, 0.55, 0.55), (0.55, 0.55, 0.55))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands in a picture.

    Attributes:
        foot: pixel.
        height_pixels: of somebody of average height there, from head to feet.
        elevation: of the camera, radians, see `View`.
        light: [3], linear.
    """

    foot: PixelPoint
    height_pixels: float
    elevation: float
    light: Floats


def bystander_layer(seed: int, standing: Standing, random: np.random.Generator) -> Layer:
    """Somebody of the network's crowd."""
    foot = standing.foot
    nearest = int(np.argmin([abs(standing.elevation - known) for known in _ELEVATIONS]))
    image, own_foot, share = _sprite(seed, int(random.integers(_NUM_BYSTANDERS)), nearest)
    scale = share * standing.height_pixels / _HEIGHT_PIXELS
    size = (max(2, round(image.width * scale)), max(4, round(image.height * scale)))
    if random.random() < 0.5:
        image, own_foot = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (image.width - own_foot[0], own_foot[1])
    small = image.resize(size, Image.Resampling.BILINEAR)
    return image_layer(
        small, round(foot[0] - own_foot[0] * scale), round(foot[1] - own_foot[1] * scale), standing.light
    )


@lru_cache(maxsize=_NUM_BYSTANDERS * len(_ELEVATIONS) * 4)
def _sprite(seed: int, number: int, nearest: int) -> tuple[Image.Image, PixelPoint, float]:
    """Picture, foot and height as a share of the average of one of the crowd, seen under an elevation."""
    random = random_stream(seed, Stream.BYSTANDER, number)
    view = View(float(random.uniform(-pi, pi)), _ELEVATIONS[nearest], 5.0, 0.0, _HEIGHT_PIXELS)
    appearance = sample_appearance(random)
    figure = render_figure(appearance, sample_pose(random), view, _LIGHT)
    coverage = np.round(np.clip(figure.alpha, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(np.dstack((to_codes(figure.color), coverage))), figure.foot, appearance.body.height
