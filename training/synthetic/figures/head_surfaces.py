"""A head in space: skull and face, hair, and what is worn on it."""

import numpy as np

from training.synthetic.figures.head_texture import (
    HEAD_COLUMNS,
    face_texture,
    hair_texture,
    scarf_texture,
    wear_texture,
)
from training.synthetic.figures.skeleton import Skeleton, turn_head, with_posture
from training.synthetic.figures.surface import Surface, Texture, arc_length, tube_along, upright_tube
from training.synthetic.float_arrays import Floats, as_floats
from training.synthetic.people.hairdo import HairStyle, Head, Headwear
from training.synthetic.people.palette import Color

_CROWN = 1.0


def head_surfaces(skeleton: Skeleton, head: Head, skin: Color, seed: int, clearance: float) -> list[Surface]:
    """Everything above the collar, placed and turned; `clearance` is how far clothes stand off the back."""
    size = skeleton.body.head
    surfaces = [_skull(head, size, face_texture(head, skin, seed))]
    surfaces += _hair(head, size, seed, clearance) + _headwear(head, size, seed)
    placed = [_placed(surface, skeleton) for surface in surfaces]
    if head.scarf is not None:
        placed.append(_scarf(skeleton, head))
    return placed


def _placed(surface: Surface, skeleton: Skeleton) -> Surface:
    points = with_posture(turn_head(surface.points, skeleton.pose), skeleton.body, skeleton.pose)
    return Surface(points, surface.along, surface.texture, surface.is_two_sided)


def _rings(place: Floats, head: Head, size: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Height, half width, half depth and middle at shares of the way from the crown (0) to the chin (1)."""
    height = _CROWN - 0.132 * size * place
    bow = np.sqrt(np.maximum(1 - (2 * place - 1) ** 2, 0.0)) ** 0.9
    jaw = np.clip((place - 0.5) / 0.5, 0, 1)
    half_width = 0.0435 * size * head.width * bow * (1 - 0.16 * jaw**1.5)
    half_depth = 0.0545 * size * bow * (1 - 0.12 * jaw)
    middle = 0.010 + 0.010 * jaw
    return as_floats(height), as_floats(half_width), as_floats(half_depth), as_floats(middle + 0 * place)


_SKULL_PLACES = as_floats((1 - np.cos(np.linspace(0, np.pi, 15))) / 2)


def _skull(head: Head, size: float, texture: Texture) -> Surface:
    height, half_width, half_depth, middle = _rings(_SKULL_PLACES, head, size)
    angle = np.linspace(-np.pi, np.pi, HEAD_COLUMNS, dtype=np.float32)
    nose = np.exp(-((angle / 0.16) ** 2)) * np.exp(-(((_SKULL_PLACES - 0.6) / 0.09) ** 2))[:, None]
    ears = np.exp(-(((np.abs(angle) - 1.75) / 0.13) ** 2)) * np.exp(-(((_SKULL_PLACES - 0.55) / 0.1) ** 2))[:, None]
    points = upright_tube(
        height,
        half_width[:, None] + 0.009 * ears,
        half_depth[:, None] + 0.012 * nose,
        _beside(middle),
        columns=HEAD_COLUMNS,
    )
    return Surface(points, _SKULL_PLACES, texture)


def _beside(middle: Floats) -> Floats:
    return as_floats(np.stack((0 * middle, middle), axis=1))


def _shell(
    head: Head,
    size: float,
    texture: Texture,
    *,
    volume: float,
    bottom: float,
    spread: float,
    back: float,
    locky: float = 0.0,
) -> Surface:
    """A cover of the head down to `bottom` (a place as in `_rings`); it is `spread` wider and `back` farther there."""
    place = as_floats((1 - np.cos(np.linspace(0, np.pi / 2, 9))) * 0.5)
    if bottom > 0.5:
        place = as_floats(np.concatenate((place, np.linspace(0.5, bottom, max(4, int((bottom - 0.5) / 0.15) + 2))[1:])))
    else:
        place = as_floats(place * bottom / 0.5)
    height, half_width, half_depth, middle = _rings(np.minimum(place, 0.72), head, size)
    height = as_floats(height - 0.132 * size * np.maximum(place - 0.72, 0) + volume * np.clip(1 - place / 0.3, 0, 1))
    low = np.clip((place - 0.55) / max(bottom - 0.55, 0.1), 0, 1)
    # Thick hair stands off in locks, so its outline is not smooth.
    locks = volume * locky * np.sin(5 * np.linspace(-np.pi, np.pi, HEAD_COLUMNS) + 7 * place[:, None] * (1 + locky))
    stand_off = (volume * np.minimum(place / 0.12, 1) ** 0.5)[:, None] + locks * np.minimum(place, 0.5)[:, None]
    half_width = as_floats(half_width[:, None] + stand_off + (spread * low)[:, None])
    half_depth = as_floats(half_depth[:, None] + stand_off)
    points = upright_tube(
        height, half_width, half_depth, _beside(as_floats(middle - back * np.sqrt(low))), columns=HEAD_COLUMNS
    )
    return Surface(points, as_floats(place / bottom), texture, is_two_sided=bottom > 0.84)


def _hair(head: Head, size: float, seed: int, clearance: float) -> list[Surface]:
    if head.hair_style is HairStyle.BALD or head.headwear in {Headwear.HEADSCARF, Headwear.HOOD}:
        return []
    bottom, spread, back = 0.80, 0.0, 0.0
    if head.hair_style is HairStyle.BOB:
        bottom, spread = 0.85 + 2.2 * head.length, 0.012
    if head.hair_style is HairStyle.LONG:
        bottom, spread, back = 1.1 + head.length / 0.132, 0.022, 0.052 + clearance
    volume = head.volume * (0.35 if head.hair_style is HairStyle.CROPPED else 1.0)
    if head.headwear is not Headwear.NONE:
        volume = min(volume, 0.005)
    surfaces = [
        _shell(
            head,
            size,
            hair_texture(head, bottom, seed),
            volume=volume,
            bottom=bottom,
            spread=spread,
            back=back,
            locky=0.7 * (seed % 5) / 4,
        )
    ]
    strands = hair_texture(head, 0.0, seed)
    if head.hair_style is HairStyle.PONYTAIL:
        reach = 0.05 + 0.8 * head.length
        share = np.linspace(0, 1, 7, dtype=np.float32)
        spine = np.stack((0 * share, 0.955 - reach * share**1.3, -0.042 - 0.035 * np.sqrt(share)), axis=1)
        girth = as_floats([0.004, 0.013, 0.018, 0.019, 0.017, 0.011, 0.002])
        surfaces.append(Surface(tube_along(as_floats(spine), girth, girth * 0.8, 13), share, strands))
    if head.hair_style is HairStyle.BUN:
        radius = 0.018 + 0.04 * head.length
        where = (0.0, 0.985, -0.035) if head.fringe > 0.5 else (0.0, 0.945, -0.058)
        surfaces.append(_ball(where, (radius, radius * 0.85, radius), strands))
    return surfaces


def _ball(centre: tuple[float, float, float], radii: tuple[float, float, float], texture: Texture) -> Surface:
    angle = np.linspace(0, np.pi, 9, dtype=np.float32)
    around, middle = np.sin(angle), as_floats(np.broadcast_to((centre[0], centre[2]), (9, 2)))
    heights = as_floats(centre[1] + radii[1] * np.cos(angle))
    points = upright_tube(heights, as_floats(radii[0] * around), as_floats(radii[2] * around), middle, columns=15)
    return Surface(points, as_floats(angle / np.pi), texture)


def _headwear(head: Head, size: float, seed: int) -> list[Surface]:
    if head.headwear is Headwear.NONE:
        return []
    texture = wear_texture(head, seed)
    match head.headwear:
        case Headwear.CAP:
            crown = _shell(head, size, texture, volume=0.009, bottom=0.4, spread=0.0, back=0.0)
            return [crown, _visor(head, size, texture)]
        case Headwear.BEANIE:
            return [_shell(head, size, texture, volume=0.013, bottom=0.45, spread=0.0, back=0.0)]
        case Headwear.BRIM:
            crown = _shell(head, size, texture, volume=0.014, bottom=0.38, spread=0.0, back=0.0)
            return [crown, _plate(_CROWN - 0.046 * size, (0.086, 0.094), 0.008, texture)]
        case Headwear.HOOD:
            return [_shell(head, size, texture, volume=0.019, bottom=1.2, spread=0.012, back=0.004)]
        case _:
            return [_shell(head, size, texture, volume=0.010, bottom=1.45, spread=0.034, back=0.006)]


def _plate(height: float, radii: tuple[float, float], forward: float, texture: Texture) -> Surface:
    """A thin level disc."""
    share = as_floats([0.0, 0.9, 1.0, 0.9, 0.0])
    heights = as_floats([0.006, 0.003, 0.0, -0.003, -0.004]) + np.float32(height)
    centre = as_floats(np.broadcast_to((0.0, forward), (5, 2)))
    points = upright_tube(heights, share * np.float32(radii[0]), share * np.float32(radii[1]), centre, columns=21)
    return Surface(points, as_floats([0.8, 0.85, 0.9, 0.95, 1.0]), texture)


def _visor(head: Head, size: float, texture: Texture) -> Surface:
    visor = _plate(_CROWN - 0.045 * size, (0.040 * size, 0.050), 0.052, texture)
    if not head.brim_turn:
        return visor
    points = visor.points * as_floats([-1.0, 1.0, -1.0])
    return Surface(points, visor.along, texture)


def _scarf(skeleton: Skeleton, head: Head) -> Surface:
    if head.scarf is None:
        raise ValueError("scarf is None: call this for a head that wears one")
    heights = as_floats([0.885, 0.888, 0.875, 0.855, 0.832, 0.822])
    width = as_floats([0.036, 0.048, 0.060, 0.068, 0.070, 0.060])
    points = upright_tube(heights, width, width * 0.95, _beside(as_floats([0.004] * 6)), columns=21)
    points = with_posture(points, skeleton.body, skeleton.pose)
    return Surface(points, arc_length(points[:, 10]), scarf_texture(head.scarf))
