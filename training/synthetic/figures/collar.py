"""Collars, and hoods that hang down: what stands off a garment at the neck."""

import numpy as np

from training.synthetic.figures.skeleton import Skeleton, with_posture
from training.synthetic.figures.surface import Surface, Texture, arc_length, upright_tube
from training.synthetic.float_arrays import Floats, as_floats
from training.synthetic.people.palette import shaded
from training.synthetic.people.patterns import plain, weave
from training.synthetic.people.wardrobe import Collar, Top


def collar_surfaces(skeleton: Skeleton, top: Top, *, hood_is_up: bool) -> list[Surface]:
    """The collar of the outermost garment, if it has one that stands off."""
    match top.collar:
        case Collar.SHIRT | Collar.LAPELS:
            rings = [(0.876, 0.037, 0.040, -0.006), (0.862, 0.047, 0.048, -0.006), (0.848, 0.058, 0.054, -0.004)]
            gap = 0.06 if top.collar is Collar.SHIRT else 0.16
        case Collar.TURTLE:
            rings = [(0.895, 0.035, 0.038, 0.002), (0.872, 0.037, 0.041, -0.001), (0.850, 0.056, 0.048, -0.004)]
            gap = 0.0
        case Collar.HOOD if not hood_is_up:
            rings = [
                (0.884, 0.050, 0.040, -0.028),
                (0.872, 0.066, 0.056, -0.034),
                (0.845, 0.075, 0.062, -0.036),
                (0.815, 0.06, 0.045, -0.05),
            ]
            gap = 0.14
        case _:
            return []
    values = as_floats(rings)
    centre = as_floats(np.stack((0 * values[:, 3], values[:, 3]), axis=1))
    points = upright_tube(
        values[:, 0], values[:, 1] + top.ease * 0.4, values[:, 2] + top.ease * 0.4, centre, columns=25
    )
    points = with_posture(points, skeleton.body, skeleton.pose)
    return [Surface(points, arc_length(points[:, 0]), _texture(top, gap), is_two_sided=True)]


def _texture(top: Top, gap: float) -> Texture:
    place, around = as_floats((np.arange(24) + 0.5) / 24), as_floats((np.arange(80) + 0.5) / 80)
    fabric = top.fabric if top.trim is None else plain(top.trim)
    pixels: Floats = weave(fabric, place * 0.06, around * 0.3)
    pixels *= (0.86 + 0.2 * place)[:, None, None]
    pixels[-3:] = as_floats(shaded(top.fabric.main, 0.6))
    shape = np.abs(around - 0.5)[None, :] > gap * (0.3 + 0.7 * place)[:, None] if gap else None
    return Texture(
        np.clip(pixels, 0, 255).astype(np.uint8), shape, length=0.06, girth=0.3, crease=0.2, crease_seed=top.fabric.seed
    )
