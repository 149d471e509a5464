"""The trunk and what is worn on it: level rings from the neck to the hem, and the texture wrapped around them."""

import numpy as np

from training.synthetic.figures.skeleton import Skeleton, with_posture
from training.synthetic.figures.surface import Surface, Texture, arc_length, around, upright_tube
from training.synthetic.float_arrays import Floats, as_floats
from training.synthetic.people.body import Body
from training.synthetic.people.wardrobe import Lower, LowerKind, Top

# Height, half width, half depth and middle (forward) of an average trunk, body heights: from anthropometric tables,
# rounded to what a crop can show.
_SECTIONS = as_floats([
    (0.872, 0.034, 0.035, -0.004), (0.858, 0.041, 0.039, -0.005), (0.846, 0.062, 0.044, -0.005),
    (0.834, 0.086, 0.050, -0.004), (0.818, 0.103, 0.056, -0.002), (0.79, 0.107, 0.062, 0.000),
    (0.75, 0.101, 0.066, 0.002), (0.71, 0.096, 0.066, 0.004), (0.67, 0.089, 0.063, 0.004),
    (0.62, 0.081, 0.059, 0.002), (0.57, 0.087, 0.064, 0.000), (0.53, 0.094, 0.070, -0.005),
    (0.50, 0.096, 0.071, -0.007), (0.465, 0.091, 0.066, -0.006),
])  # fmt: skip
COLUMNS = 33


def section(body: Body, heights: Floats) -> tuple[Floats, Floats, Floats]:
    """Half width [n], half depth [n, COLUMNS] and middle [n] of the bare trunk at heights [n]."""
    moved = heights - body.leg_length * np.clip((0.8 - heights) / 0.25, 0, 1)
    half_width, half_depth, middle = (np.interp(-moved, -_SECTIONS[:, 0], _SECTIONS[:, column]) for column in (1, 2, 3))
    trunk = np.clip((0.86 - moved) / 0.03, 0, 1)
    shoulders = np.clip((moved - 0.64) / 0.14, 0, 1)
    hips = np.clip((0.6 - moved) / 0.07, 0, 1)
    waist = np.clip(1 - shoulders - hips, 0, 1)
    factor = body.width * (shoulders * body.shoulders + hips * body.hips + waist * body.waist)
    half_width = half_width * (1 + trunk * (factor - 1))
    half_depth = half_depth * (1 + trunk * (body.depth - 1))
    _, front = around(COLUMNS)
    bulge = body.bust * np.exp(-(((moved - 0.735) / 0.035) ** 2)) + body.belly * np.exp(-(((moved - 0.6) / 0.07) ** 2))
    depth = half_depth[:, None] + bulge[:, None] * np.maximum(front, 0)
    return as_floats(half_width), as_floats(depth), as_floats(middle)


def top_surface(
    skeleton: Skeleton, top: Top, texture: Texture, *, clearance: float, over: float, start: float = 1.0
) -> Surface:
    """A garment, `clearance` off the one and `over` off the trousers beneath; what is above `start` is left out."""
    body = skeleton.body
    heights = ring_heights(top.hem)
    half_width, half_depth, middle = section(body, heights)
    ease = (top.ease + clearance) * np.clip(0.35 + (0.83 - heights) / 0.06, 0.35, 1.0)
    # Below the waist it lies over the trousers, unless it is tucked in.
    ease = np.where((heights < 0.64) & (top.hem < 0.58), np.maximum(ease, over + 0.005), ease)
    half_width, half_depth = half_width + ease, half_depth + _open_ease(top, heights, as_floats(ease))
    # Cloth hangs from the chest: the looser it is the less it follows the waist.
    hang = min(1.0, 0.82 + 7.0 * top.ease)
    below = heights < 0.76
    half_width[below] = np.maximum(half_width[below], hang * half_width[~below].max())
    front = half_depth[~below].max(axis=0)
    half_depth[below] = np.maximum(half_depth[below], (hang - 0.04) * front)
    half_width, half_depth, centre = around_legs(
        skeleton, heights, (as_floats(half_width), as_floats(half_depth), middle), top.flare
    )
    points = upright_tube(
        heights, half_width, half_depth, centre, columns=COLUMNS, squareness=0.14 if top.hem > 0.46 else 0.25
    )
    drawn = heights < start
    return Surface(with_posture(points[drawn], body, skeleton.pose), along_of(heights)[drawn], texture)


def ring_heights(hem: float) -> Floats:
    """The heights of a garment's rings, from the neck to the hem."""
    fixed = _SECTIONS[:, 0][_SECTIONS[:, 0] > hem + 0.012]
    below = np.linspace(fixed[-1], hem, max(2, int((fixed[-1] - hem) / 0.05) + 2))[1:]
    return as_floats(np.concatenate((fixed, below)))


def along_of(heights: Floats) -> Floats:
    """Where each ring is on the texture: the slope of the shoulders takes its share."""
    half_width = np.interp(-heights, -_SECTIONS[:, 0], _SECTIONS[:, 1])
    return arc_length(as_floats(np.stack((heights, np.where(heights > 0.8, half_width, 0.107)), axis=1)))


def around_legs(
    skeleton: Skeleton, heights: Floats, sections: tuple[Floats, Floats, Floats], flare: float
) -> tuple[Floats, Floats, Floats]:
    """Half widths, half depths [n, COLUMNS] and centres [n, 2], widened below the hips around both legs."""
    half_width, half_depth, middle = sections
    down = np.maximum(0.58 - heights, 0.0)
    thigh = skeleton.body.limb_girth * np.interp(-heights, (-0.5, -0.28, -0.05), (0.056, 0.050, 0.034))
    places = [np.interp(-heights, -leg[:, 1], leg[:, 2]) for leg in skeleton.legs]
    sides = [np.interp(-heights, -leg[:, 1], leg[:, 0]) for leg in skeleton.legs]
    low, high = np.minimum(*places) - thigh, np.maximum(*places) + thigh
    share = np.clip((0.53 - heights) / 0.06, 0, 1)
    middle = middle * (1 - share) + share * (low + high) / 2
    half_width = half_width + flare * down
    # A narrow hem follows the legs together again.
    half_depth = np.maximum(half_depth, (share * 1.2 * (high - low) / 2)[:, None]) + (flare * down)[:, None]
    half_width = np.maximum(half_width, share * ((sides[0] - sides[1]) / 2 + 1.05 * thigh))
    return as_floats(half_width), as_floats(half_depth), as_floats(np.stack((0 * middle, middle), axis=1))


def texture_rows(hem: float, count: int) -> tuple[Floats, Floats]:
    """Height of each of `count` texture rows, and how far along the garment it is, body heights."""
    heights = ring_heights(hem)
    place = (np.arange(count) + 0.5) / count
    length = float(heights[0] - heights[-1]) + 0.05
    return as_floats(np.interp(place, along_of(heights), heights)), as_floats(place * length)


def neck_surface(skeleton: Skeleton, texture: Texture) -> Surface:
    """The neck, from under the chin into the collar."""
    heights = as_floats([0.905, 0.885, 0.868, 0.852, 0.835])
    width = as_floats([0.030, 0.030, 0.031, 0.036, 0.05]) * (0.6 + 0.4 * skeleton.body.limb_girth)
    centre = as_floats([(0, 0.010), (0, 0.006), (0, 0.001), (0, -0.003), (0, -0.004)])
    points = upright_tube(heights, width, width * 1.1, centre, columns=17)
    return Surface(with_posture(points, skeleton.body, skeleton.pose), arc_length(points[:, 0]), texture)


def pelvis_surface(skeleton: Skeleton, texture: Texture, ease: float) -> Surface:
    """The upper part of trousers, down to the crotch."""
    heights = as_floats([0.615, 0.59, 0.56, 0.53, 0.5, 0.475, 0.462])
    half_width, half_depth, middle = section(skeleton.body, heights)
    # It draws in towards the crotch, so that the legs come out of it without a step.
    half_width = (half_width + ease) * as_floats([1, 1, 1, 1, 0.97, 0.86, 0.4])
    half_depth = (half_depth + ease) * as_floats([1, 1, 0.98, 0.93, 0.84, 0.72, 0.35])[:, None]
    centre = as_floats(np.stack((0 * middle, middle), axis=1))
    points = upright_tube(heights, half_width, half_depth, centre, columns=COLUMNS, squareness=0.1)
    return Surface(with_posture(points, skeleton.body, skeleton.pose), arc_length(points[:, 8]), texture)


def pelvis_ease(lower: Lower) -> float:
    """How far trousers or a skirt stand off the hips."""
    return 0.004 if lower.kind is LowerKind.SKIRT else 0.002 + 0.5 * lower.ease


def skirt_surface(skeleton: Skeleton, texture: Texture, hem: float, flare: float, pleats: int) -> Surface:
    """A skirt from the waist to the hem (a height); pleats are waves that deepen downwards."""
    heights = as_floats(
        np.concatenate(([0.62, 0.59, 0.56, 0.53], np.linspace(0.5, hem, max(3, int((0.5 - hem) / 0.05) + 2))))
    )
    half_width, half_depth, middle = section(skeleton.body, heights)
    half_width, half_depth, centre = around_legs(
        skeleton, heights, (half_width + 0.004, half_depth + 0.004, middle), flare
    )
    angle = np.linspace(-np.pi, np.pi, 49, dtype=np.float32)
    depth = as_floats([np.interp(angle, np.linspace(-np.pi, np.pi, COLUMNS), row) for row in half_depth])
    waves = 1 + (0.25 * flare + 0.04) * np.clip((0.58 - heights) / 0.3, 0, 1)[:, None] * np.sin(pleats * angle + 0.6)
    points = upright_tube(heights, half_width[:, None] * waves, depth * waves, centre, columns=49, squareness=0.2)
    points = with_posture(points, skeleton.body, skeleton.pose)
    return Surface(points, arc_length(points[:, 0]), texture)


def _open_ease(top: Top, heights: Floats, ease: Floats) -> Floats:
    """Ease [n, COLUMNS]: an open front lies closer to the body than the flaps beside it."""
    gap = opening_at(top, heights)
    place = np.abs(np.linspace(-0.5, 0.5, COLUMNS))
    return as_floats(ease[:, None] * np.where(place < gap[:, None], 0.2, 1.0))


def opening_at(top: Top, heights: Floats) -> Floats:
    """Half of the open front at heights [n], as a share of the way around."""
    if not top.opening:
        return np.zeros_like(heights)
    return as_floats(top.opening * np.clip(0.35 + (0.83 - heights) / 0.4, 0.0, 1.3) * (heights < 0.862))
